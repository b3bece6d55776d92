import { createTestDatabase, type TestDatabase } from "@repo/test-database";
import { expect } from "vitest";
import { migrate } from "../../src/index.ts";
import { exists, quoted, readCatalog, readLedgerRows } from "./database.ts";
import { BREAKPOINT, hashOf, type MigrationFiles, makeFolder } from "./folder.ts";
import { expectNoRunner, readHits, readRunFacts, until } from "./sessions.ts";

type Sql = TestDatabase["sql"];

/** A migration whose text tells by which numbers in `hits` it, or a part of it, stands. */
export interface CountedFile extends MigrationFiles {
  readonly sql: string;
  /** Numbers that each segment leaves. */
  readonly hits: readonly (readonly number[])[];
}

export const hit = (n: number) => `INSERT INTO hits (n) VALUES (${n});`;

/** A place where a run can be made to stop: see `preparePausing`. */
const pause = (mark: number) => `SELECT control.pause(${mark});`;

function file(tag: string, hits: CountedFile["hits"], ...statements: readonly string[]): CountedFile {
  return { tag, hits, sql: statements.join(BREAKPOINT) };
}

export const BASE = file(
  "0000_base",
  [[]],
  "CREATE TABLE hits (at int GENERATED ALWAYS AS IDENTITY, n int);",
);

export const FIVE: readonly CountedFile[] = [
  file("0001_table", [[10]], pause(1), "CREATE TABLE t (n int);", pause(2), hit(10), pause(3)),
  file("0002_data", [[20]], hit(20), pause(4), "INSERT INTO t VALUES (1);", pause(5)),
  file(
    "0003_index",
    [[30], [], [31]],
    ...[hit(30), pause(6), "CREATE INDEX CONCURRENTLY t_n ON t (control.paused(n));", hit(31), pause(7)],
  ),
  file("0004_more", [[40]], "ALTER TABLE t ADD COLUMN more int;", pause(8), hit(40)),
  file("0005_last", [[50]], hit(50), pause(9), "CREATE TABLE u (n int);", pause(10)),
];

/** What happens at each mark, the ones of the bookkeeping included. */
export const MARKS = [
  [1, "the first statement of a file"],
  [2, "a statement after a CREATE TABLE"],
  [3, "the last statement of a file"],
  [4, "a statement after a data change"],
  [5, "the last statement of a data migration"],
  [6, "the last statement before a concurrent build"],
  [21, "the note that a concurrent build begins"],
  [20, "the concurrent build"],
  [22, "the note that the concurrent build stands"],
  [7, "the last statement after a concurrent build"],
  [23, "the note that a divided file is done"],
  [8, "a statement behind the divided file"],
  [9, "a statement of the last file"],
  [10, "the last statement of all"],
  [24, "the insertion of the last ledger row"],
  [25, "the last commit"],
] as const;

const LAST = FIVE[FIVE.length - 1] as CountedFile;

/** Stops a run at the mark that the database's setting `test.stop` names. Only a run: a table of the run log is watched, too. */
const CONTROL = `
  create schema control;
  create function control.pause(mark int) returns void language plpgsql as $$ begin
    if current_setting('test.stop', true) = mark::text then perform pg_sleep(current_setting('test.seconds')::float); end if; end $$;
  create function control.paused(n int) returns int immutable language plpgsql as $$ begin
    perform control.pause(20); return n; end $$;
  create function control.log() returns trigger language plpgsql as $$ begin
    if new.begun is not null then perform control.pause(21); end if;
    if new.begun is null and new.completed = 2 and old.completed = 1 then perform control.pause(22); end if;
    if new.completed = 3 and old.completed = 2 then perform control.pause(23); end if;
    return new; end $$;
  create function control.ledger() returns trigger language plpgsql as $$ begin
    if new.hash = '${hashOf(LAST.sql)}' then perform control.pause(case tg_when when 'BEFORE' then 24 else 25 end); end if;
    return new; end $$;
  create trigger log before update on drizzle.__drizzle_migrations_runs for each row execute function control.log();
  create trigger early before insert on drizzle.__drizzle_migrations for each row execute function control.ledger();
  create constraint trigger late after insert on drizzle.__drizzle_migrations deferrable initially deferred
    for each row execute function control.ledger();`;

export interface PausingPlace {
  readonly database: TestDatabase;
  readonly folder: string;
  readonly args: readonly string[];
}

/** A database with the base applied, on which a run of the five stops at a mark. */
export async function preparePausing(mark: number, forS: number): Promise<PausingPlace> {
  const database = await createTestDatabase();
  const { sql, url, name } = database;
  await migrate({ migrations: await makeFolder([BASE]), url });
  await sql.unsafe(CONTROL);
  await sql.unsafe(`alter database ${quoted(name)} set test.stop = '${mark}'`);
  await sql.unsafe(`alter database ${quoted(name)} set test.seconds = '${forS}'`);
  const folder = await makeFolder([BASE, ...FIVE]);
  return { database, folder, args: ["migrate", "--migrations", folder, "--url", url] };
}

export async function resume({ database }: PausingPlace): Promise<void> {
  await database.sql.unsafe(`alter database ${quoted(database.name)} set test.stop = '0'`);
}

/** Waits until a run has stopped at its mark. */
export async function untilPaused(sql: Sql): Promise<number> {
  return until("a run that pauses", () => findPaused(sql));
}

/** Waits until it goes on by itself. */
export async function untilItGoesOn(sql: Sql): Promise<void> {
  await until("a run that goes on", async () => (await findPaused(sql)) === undefined);
}

async function findPaused(sql: Sql): Promise<number | undefined> {
  const [row] = await sql<{ pid: number }[]>`select pid from pg_stat_activity
    where datname = current_database() and application_name = 'migrator' and wait_event = 'PgSleep'`;
  return row?.pid;
}

/** Every migration, and every part of the divided one, stands whole or not at all, and ledger and run log say which. */
export async function expectBeforeOrAfter(sql: Sql): Promise<number> {
  const ledger = ((await readLedgerRows(sql)) ?? []).map(({ hash }) => hash);
  expect(ledger).toEqual([BASE, ...FIVE].slice(0, ledger.length).map((one) => hashOf(one.sql)));
  const runs = await readRunFacts(sql);
  const hits = FIVE.flatMap((one) => {
    const run = runs.findLast(({ tag, outcome }) => tag === one.tag && outcome !== "failed");
    const applied = ledger.includes(hashOf(one.sql));
    expect(run?.outcome === "done").toBe(applied);
    return one.hits.slice(0, applied ? one.hits.length : (run?.completed ?? 0)).flat();
  });
  expect(await readHits(sql)).toEqual(hits);
  expect(await exists(sql, "t")).toBe(ledger.includes(hashOf(FIVE[0]?.sql ?? "")));
  expect(await exists(sql, "u")).toBe(ledger.includes(hashOf(LAST.sql)));
  return ledger.length;
}

/** The run that finishes what was cut: everything stands, once, and the catalog is that of a run nobody disturbed. */
export async function expectFinished(place: PausingPlace, undisturbed: readonly string[]): Promise<void> {
  const { sql, url } = place.database;
  await resume(place);
  await migrate({ migrations: place.folder, url });
  expect(await expectBeforeOrAfter(sql)).toBe(6);
  expect(await readCatalog(sql)).toEqual(undisturbed);
  for (const { tag } of FIVE)
    expect((await readRunFacts(sql)).findLast((run) => run.tag === tag)).toMatchObject({ outcome: "done" });
  expect((await migrate({ migrations: place.folder, url })).applied).toEqual([]);
  await expectNoRunner(sql);
}
