import { readdir } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { HAZARD_KINDS } from "../src/review/hazards/find.ts";
import { EXAMPLES, exampleOf, hazardsBench } from "./support/hazards.ts";

const look = hazardsBench();

/** What no file of a folder can show. */
const WITHOUT_EXAMPLE = ["squawk-missing"];

const SHOWN = HAZARD_KINDS.filter(({ id }) => !WITHOUT_EXAMPLE.includes(id));

describe("each hazard", () => {
  test("has a bad and a good example, and each example a hazard", async () => {
    for (const { id } of SHOWN)
      expect([id, exampleOf(id, "bad"), exampleOf(id, "good")]).not.toContain(undefined);
    const folders = (await readdir(EXAMPLES, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    expect(folders.map(({ name }) => name).sort()).toEqual(SHOWN.map(({ id }) => id).sort());
  });

  test.concurrent.each(SHOWN)("$id is found in the bad example, and not in the good one", async ({ id }) => {
    const base = exampleOf(id, "base");
    const bad = await look(exampleOf(id, "bad") ?? "", { base });
    const good = await look(exampleOf(id, "good") ?? "", { base });
    if (process.env.SHOW) for (const h of bad.hazards) console.log(id, "|", h.id, h.severity, h.source, "|", h.message, "|\n", h.safer);
    if (process.env.SHOW) console.log(id, "GOOD", good.hazards.map((h) => `${h.id}: ${h.message}`));
    expect(bad.hazards.map((hazard) => hazard.id)).toContain(id);
    expect(good.hazards.map((hazard) => hazard.id)).not.toContain(id);
    const failures = good.observation.scripts.flatMap(({ statements }) => statements.map(({ failure }) => failure));
    expect(failures.filter((failure) => failure !== undefined)).toEqual([]);
  });
});
