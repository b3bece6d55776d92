import { readFileSync } from "node:fs";
import { createTestDatabase } from "@repo/test-database";
import { afterAll, beforeAll } from "vitest";
import { readSettings } from "../../src/config.ts";
import { withUrl } from "../../src/database/connect.ts";
import { type Scratch, withScratch } from "../../src/database/scratch.ts";
import { readFolder } from "../../src/folder/read.ts";
import type { SchemaFacts } from "../../src/review/facts.ts";
import { findHazards, type Surroundings } from "../../src/review/hazards/find.ts";
import type { Hazard, Heat } from "../../src/review/hazards/hazard.ts";
import { observe } from "../../src/review/observe.ts";
import { makeFolder } from "./folder.ts";
import { EXAMPLES, NEXT_MIGRATION } from "./hazard-examples.ts";

/** Of each table that an example's base does not say otherwise of. */
const FULL = 5_000_000;

export interface LookOptions extends Partial<Surroundings> {
  /** Rows by table, instead of what base.sql says; undefined for a table of which they are not known. */
  readonly rows?: Readonly<Record<string, number | undefined>>;
  /** SQL to run before, instead of base.sql. */
  readonly base?: string | undefined;
}

/** The hazards of a plan. */
export interface Looked {
  readonly hazards: readonly Hazard[];
  /** By statement, in the order in which they run. */
  readonly byStatement: readonly (readonly Hazard[])[];
  /** What the copy refused. */
  readonly failures: readonly unknown[];
}

/** Observes plans on base.sql in few databases, each made anew for the next plan; to be called on a test file's top level. */
export function hazardsBench(): (sql: string, options?: LookOptions) => Promise<Looked> {
  const base = readFileSync(`${EXAMPLES}base.sql`, "utf8");
  const idle: string[] = [];
  let end: () => void = () => {};
  const held = new Promise<void>((release) => {
    end = release;
  });
  let scratch: Scratch | undefined;
  beforeAll(async () => {
    const { url } = await createTestDatabase();
    scratch = await new Promise<Scratch>((resolve, reject) => {
      const work = (made: Scratch) => {
        resolve(made);
        return held;
      };
      withScratch({ url: undefined, embedded: undefined }, url, work).catch(reject);
    });
  });
  afterAll(() => end());
  return async (text, options = {}) => {
    if (scratch === undefined) throw new Error("there is no scratch server yet");
    const url = idle.pop() ?? (await scratch.create());
    const own = options.base ?? base;
    await withUrl(url, async ({ sql }) => void (await sql.unsafe(`${EMPTY}; ${own}`)));
    const looked = await look({ ...scratch, create: async () => url }, text, own, options);
    idle.push(url);
    return looked;
  };
}

const EMPTY = "drop schema if exists drizzle, public cascade; create schema public";

async function look(scratch: Scratch, text: string, base: string, options: LookOptions): Promise<Looked> {
  const files = text.split(NEXT_MIGRATION).map((sql, index) => ({ tag: `000${index + 1}_plan`, sql }));
  const migrations = await makeFolder(files);
  const settings = await readSettings({ migrations, url: "postgres://nobody@nowhere/none" });
  const folder = await readFolder(migrations);
  const planned = folder.migrations.flatMap((migration) =>
    migration.up ? [{ migration, script: migration.up }] : [],
  );
  const { signal } = new AbortController();
  return observe(settings, scratch, { applied: [], planned }, signal, async ({ before, scripts }) => {
    const rows = { ...saidOf(base, "rows"), ...options.rows };
    const found = await findHazards({ before, scripts }, heatOf(before, rows), {
      major: scratch.major,
      invalidIndexes: new Set(Object.keys(saidOf(base, "invalid"))),
      ...options,
    });
    const byStatement = scripts.flatMap(({ statements }) => statements.map((one) => found.get(one) ?? []));
    const failures = scripts.flatMap(({ statements }) => statements.flatMap(({ failure }) => failure ?? []));
    return { hazards: byStatement.flat(), byStatement, failures };
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
