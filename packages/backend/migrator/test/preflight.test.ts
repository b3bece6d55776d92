import { createTestDatabase, createTestRole } from "@repo/test-database";
import { describe, expect, test } from "vitest";
import { readSettings } from "../src/config.ts";
import { withUrl } from "../src/database/connect.ts";
import { withScratch } from "../src/database/scratch.ts";
import { readFolder } from "../src/folder/read.ts";
import { migrate } from "../src/index.ts";
import { observe } from "../src/review/observe.ts";
import { type Finding, type PreflightOptions, preflight } from "../src/review/preflight.ts";
import { readCatalog } from "./support/database.ts";
import { BREAKPOINT, makeFolder } from "./support/folder.ts";
import { titled } from "./support/titled.ts";

type Sql = Awaited<ReturnType<typeof createTestDatabase>>["sql"];

/** A database at its applied state, with rows, and a folder that has more. */
interface Place {
  readonly folder: string;
  readonly url: string;
  readonly sql: Sql;
  readonly applied: number;
}

/** What stands between two breakpoints is one statement; a list is one file after the other. */
interface Story {
  readonly base: readonly string[];
  readonly data?: string;
  readonly pending: readonly (readonly string[])[];
}

async function placeOf({ base, data = "", pending }: Story): Promise<Place> {
  const files = [base, ...pending].map((statements, index) => ({
    tag: `000${index}_step`,
    sql: statements.map((one) => `${one};`).join(BREAKPOINT),
  }));
  const { url, sql } = await createTestDatabase();
  await migrate({ migrations: await makeFolder(files.slice(0, 1)), url });
  if (data !== "") await sql.unsafe(data);
  return { folder: await makeFolder(files), url, sql, applied: 1 };
}

type Found = Finding & { readonly statement: string };

async function look(place: Place, options: Partial<PreflightOptions> = {}, url = place.url): Promise<readonly Found[]> {
  const settings = await readSettings({ migrations: place.folder, url: place.url });
  const { migrations } = await readFolder(settings.migrations);
  const plan = {
    applied: migrations.slice(0, place.applied),
    planned: migrations.slice(place.applied).map((migration) => ({ migration, script: migration.up as NonNullable<typeof migration.up> })),
  };
  return withScratch(settings.scratch, place.url, (scratch) =>
    observe(settings, scratch, plan, new AbortController().signal, (observation) =>
      withUrl(url, async (target) => {
        const findings = await preflight(target.sql, observation, { timeoutMs: 5000, ...options });
        return observation.scripts.flatMap(({ script, statements }) =>
          statements.flatMap((statement) =>
            (findings.get(statement) ?? []).map((finding) => ({ ...finding, statement: `${script.fileName}, ${statement.number}` })),
          ),
        );
      }),
    ),
  );
}

/** What is said, in one line each. */
function lines(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ check, object, outcome, message, examples }) =>
    [`${outcome} ${check} ${object}: ${message}`, ...(examples.length > 0 ? [`[${examples.join("; ")}]`] : [])].join(" "),
  );
}

interface Case extends Story {
  readonly title: string;
  readonly says: readonly string[];
  /** Whether the plan gets through when it is run all the same. */
  readonly runs?: boolean;
}

const WISH = "CREATE TABLE wish (id int PRIMARY KEY, store text, amount int, shop int, note varchar(20))";
const WISHES = "insert into wish values (1, 'Lego', 5, 1, 'a'), (2, 'Amazon', 0, 1, null), (3, 'Amazon', null, 9, 'much too long'), (4, null, 7, null, 'b')";
const SHOP = "CREATE TABLE shop (id int PRIMARY KEY)";

const CASES: readonly Case[] = [
  {
    title: "SET NOT NULL over NULLs",
    base: [WISH], data: WISHES, pending: [["ALTER TABLE wish ALTER COLUMN store SET NOT NULL"]],
    says: ["x"],
  },
  {
    title: "a required column without default",
    base: [WISH], data: WISHES, pending: [["ALTER TABLE wish ADD COLUMN owner int NOT NULL"]],
    says: ["x"],
  },
  {
    title: "a text column becomes an enum that the plan makes",
    base: [WISH], data: WISHES,
    pending: [["CREATE TYPE wish_store AS ENUM ('Lego', 'BrickLink')", 'ALTER TABLE wish ALTER COLUMN store SET DATA TYPE "public"."wish_store" USING "store"::"public"."wish_store"']],
    says: ["x"],
  },
  {
    title: "an enum rebuilt without a value in use",
    base: ["CREATE TYPE mood AS ENUM ('sad', 'ok')", "CREATE TABLE t (id int PRIMARY KEY, m mood)"], data: "insert into t values (1, 'sad'), (2, 'ok')",
    pending: [["ALTER TABLE t ALTER COLUMN m SET DATA TYPE text", "DROP TYPE mood", "CREATE TYPE mood AS ENUM ('ok')", "ALTER TABLE t ALTER COLUMN m SET DATA TYPE mood USING m::mood"]],
    says: ["x"],
  },
  {
    title: "check, unique, foreign key",
    base: [WISH, SHOP], data: `${WISHES}; insert into shop values (1)`,
    pending: [["ALTER TABLE wish ADD CONSTRAINT wish_amount CHECK (amount > 0)"], ["CREATE UNIQUE INDEX wish_store ON wish (store)"], ["ALTER TABLE wish ADD CONSTRAINT wish_shop FOREIGN KEY (shop) REFERENCES shop (id)"]],
    says: ["x"],
  },
  {
    title: "types",
    base: ["CREATE TABLE t (id int PRIMARY KEY, a text, b bigint, c numeric, d varchar(20), e varchar(20), f timestamp)"],
    data: "insert into t values (1, 'x', 5, 1.25, 'short', 'much longer', '2026-01-01 12:00'), (2, '7', 5000000000, 1e9, 'much longer', 'x', '2026-01-01')",
    pending: [["ALTER TABLE t ALTER COLUMN a TYPE int USING a::int", "ALTER TABLE t ALTER COLUMN b TYPE int", "ALTER TABLE t ALTER COLUMN c TYPE numeric(5,1)", "ALTER TABLE t ALTER COLUMN d TYPE varchar(5)", "ALTER TABLE t ALTER COLUMN e TYPE varchar(5) USING e::varchar(5)", "ALTER TABLE t ALTER COLUMN f TYPE date"]],
    says: ["x"],
  },
  {
    title: "losses",
    base: [WISH, SHOP], data: `${WISHES}; insert into shop values (1)`,
    pending: [["DELETE FROM wish AS w USING shop WHERE w.shop = shop.id", "ALTER TABLE wish DROP COLUMN store", "DROP TABLE shop", "TRUNCATE wish"]],
    says: ["x"],
  },
];

describe("preflight", () => {
  test.each(titled(CASES))("%s", async (_, { says, ...story }) => {
    const place = await placeOf(story);
    const findings = await look(place);
    expect(lines(findings)).toEqual(says);
  });
});
void createTestRole; void readCatalog;
