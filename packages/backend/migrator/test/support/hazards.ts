import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createTestDatabase } from "@repo/test-database";
import { afterAll, beforeAll } from "vitest";
import { readSettings } from "../../src/config.ts";
import { withUrl } from "../../src/database/connect.ts";
import { type Scratch, withScratch } from "../../src/database/scratch.ts";
import { readFolder } from "../../src/folder/read.ts";
import { findHazards, type Surroundings } from "../../src/review/hazards/find.ts";
import type { Hazard, Heat } from "../../src/review/hazards/hazard.ts";
import type { SchemaFacts } from "../../src/review/facts.ts";
import { type Observation, observe } from "../../src/review/observe.ts";
import { makeFolder } from "./folder.ts";

/** Between two migrations of an example. */
const NEXT = /^-- in the next migration:$/m;

/** Of each table that an example's base does not say otherwise of. */
const FULL = 5_000_000;

export const EXAMPLES = fileURLToPath(new URL("../hazards/", import.meta.url));

/** A file of a hazard's folder; undefined where it has none. */
export function exampleOf(id: string, name: "base" | "bad" | "good"): string | undefined {
  const path = `${EXAMPLES}${id}/${name}.sql`;
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

export interface LookOptions extends Partial<Surroundings> {
  /** Rows by table, instead of what base.sql says; undefined for a table of which they are not known. */
  readonly rows?: Readonly<Record<string, number | undefined>>;
  /** SQL to run before, or null for an empty database. */
  readonly base?: string | null | undefined;
}

/** The hazards of a plan, with what was observed. */
export interface Looked {
  readonly hazards: readonly Hazard[];
  /** By statement, in the order in which they run. */
  readonly byStatement: readonly (readonly Hazard[])[];
  readonly observation: Pick<Observation, "before" | "scripts">;
}

/** Observes plans on copies of base.sql, of which the test file has one database; to be called on its top level. */
export function hazardsBench(): (sql: string, options?: LookOptions) => Promise<Looked> {
  let scratch: Scratch | undefined;
  let template = "";
  let end: () => void = () => {};
  const base = readFileSync(`${EXAMPLES}base.sql`, "utf8");
  beforeAll(async () => {
    const { url } = await createTestDatabase();
    scratch = await new Promise<Scratch>((resolve, reject) => {
      const held = new Promise<void>((release) => {
        end = release;
      });
      withScratch({ url: undefined, embedded: undefined }, url, (made) => {
        resolve(made);
        return held;
      }).catch(reject);
    });
    template = await scratch.create();
    await withUrl(template, async ({ sql }) => void (await sql.unsafe(base)));
  });
  afterAll(() => end());
  return async (text, options = {}) => {
    if (scratch === undefined) throw new Error("there is no scratch server yet");
    const { create } = scratch;
    const copies: Scratch = { ...scratch, create: () => create(options.base === null ? undefined : template) };
    return look(copies, text, `${base}${options.base ?? ""}`, options);
  };
}

async function look(scratch: Scratch, text: string, base: string, options: LookOptions): Promise<Looked> {
  const files = text.split(NEXT).map((sql, index) => ({ tag: `000${index}_plan`, sql }));
  const own = options.base ? [{ tag: "0000_base", sql: options.base }] : [];
  const migrations = await makeFolder([...own, ...files.map((file, index) => ({ ...file, tag: `000${index + own.length}_plan` }))]);
  const settings = await readSettings({ migrations, url: "postgres://nobody@nowhere/none" });
  const folder = await readFolder(migrations);
  const planned = folder.migrations.flatMap((migration) =>
    migration.up ? [{ migration, script: migration.up }] : [],
  );
  const plan = { applied: folder.migrations.slice(0, own.length), planned: planned.slice(own.length) };
  return observe(settings, scratch, plan, new AbortController().signal, async ({ before, scripts }) => {
    const rows = { ...saidOf(base, "rows"), ...options.rows };
    const found = await findHazards({ before, scripts }, heatOf(before, rows), {
      major: scratch.major,
      invalidIndexes: new Set(Object.keys(saidOf(base, "invalid"))),
      ...options,
    });
    const byStatement = scripts.flatMap(({ statements }) => statements.map((one) => found.get(one) ?? []));
    return { hazards: byStatement.flat(), byStatement, observation: { before, scripts } };
  });
}

/** `-- rows: drafts 0` */
function saidOf(base: string, what: string): Readonly<Record<string, number>> {
  const lines = base.matchAll(new RegExp(`^-- ${what}: (\\S+) ?(\\d*)$`, "gm"));
  return Object.fromEntries([...lines].map(([, name, number]) => [name, Number(number)]));
}

function heatOf({ relations }: SchemaFacts, rows: Readonly<Record<string, number | undefined>>): Heat {
  const rowsOf = (oid: number) => {
    const name = relations.get(oid)?.name ?? "";
    return name in rows ? rows[name] : FULL;
  };
  return { rowsOf, isHot: (oid) => relations.has(oid) && rowsOf(oid) !== 0 };
}
