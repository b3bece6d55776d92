import { describe, expect, test } from "vitest";
import type { LedgerRow } from "../src/database/ledger.ts";
import type { PartialRun } from "../src/database/run-log-rows.ts";
import { type Migration, type MigrationFolder, parseDown, type SnapshotHead } from "../src/folder/read.ts";
import { type MigrationState, type PlanOptions, planMigrations } from "../src/plan.ts";
import type { Problem, ProblemCode } from "../src/problem.ts";
import { FIRST_PREV_ID, FIRST_WHEN } from "./support/folder.ts";
import { titled } from "./support/titled.ts";

const NOW = FIRST_WHEN + 1_000_000;

/** Of a snapshot that follows any other like it, and nothing. */
const NO_ID = FIRST_PREV_ID;

/** A migration whose file has this content's "hash"; null for no file. */
function migration(
  tag: string,
  hash: string | null,
  given: { readonly when?: number; readonly hasSnapshot?: boolean; readonly snapshot?: SnapshotHead } = {},
): Migration {
  const fileName = `${tag}.sql`;
  return {
    tag,
    when: given.when ?? FIRST_WHEN + Number(tag.slice(0, 4)) * 1000,
    fileName,
    up: hash === null ? undefined : { fileName, hash, statements: [] },
    down: undefined,
    snapshot: given.hasSnapshot === false ? undefined : (given.snapshot ?? { id: NO_ID, prevId: NO_ID }),
  };
}

function folder(migrations: readonly Migration[], orphans: readonly string[] = []): MigrationFolder {
  return { path: "drizzle", migrations, orphans };
}

/** A ledger with ids in the order given; `createdAt` is the number of the migration, as `when` is above. */
function ledger(...rows: readonly (readonly [hash: string, number: number | null])[]): LedgerRow[] {
  return rows.map(([hash, number], index) => ({
    id: index + 1,
    hash,
    createdAt: number === null ? null : FIRST_WHEN + number * 1000,
  }));
}

/** A run that was cut after its first segment. */
function cut(tag: string, direction: PartialRun["direction"], scriptHash: string): PartialRun {
  return { id: 1, tag, direction, scriptHash, completed: 1, begun: null, before: [] };
}

const [one, two, three] = [
  migration("0000_one", "aaaa"),
  migration("0001_two", "bbbb"),
  migration("0002_three", "cccc"),
];

function down(tag: string, mark: "unproved" | "unfinished") {
  return parseDown(`${tag}.down.sql`, `-- ${mark}: it is hard\n`);
}

interface Case {
  readonly title: string;
  readonly folder: MigrationFolder;
  readonly ledger: readonly LedgerRow[];
  readonly allowOutOfOrder?: boolean;
  readonly options?: Partial<PlanOptions>;
  readonly states: readonly (readonly [tag: string | null, state: MigrationState, row?: number])[];
  readonly pending: readonly string[];
  readonly problems: readonly (readonly [
    code: ProblemCode,
    severity: Problem["severity"],
    tag: string | null,
  ])[];
}

const CASES: readonly Case[] = [
  {
    title: "an empty folder and an empty ledger give an empty plan",
    folder: folder([]),
    ledger: [],
    states: [],
    pending: [],
    problems: [],
  },
  {
    title: "on an empty ledger everything is pending, in journal order",
    folder: folder([one, two, three]),
    ledger: [],
    states: [
      ["0000_one", "pending"],
      ["0001_two", "pending"],
      ["0002_three", "pending"],
    ],
    pending: ["0000_one", "0001_two", "0002_three"],
    problems: [],
  },
  {
    title: "what is in the ledger is applied, the rest is pending",
    folder: folder([one, two, three]),
    ledger: ledger(["aaaa", 0], ["bbbb", 1]),
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "applied", 2],
      ["0002_three", "pending"],
    ],
    pending: ["0002_three"],
    problems: [],
  },
  {
    title: "applied means the hash, whatever date the ledger holds; but a wrong date is told",
    folder: folder([one, two]),
    ledger: ledger(["aaaa", 77], ["bbbb", null]),
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "applied", 2],
    ],
    pending: [],
    problems: [
      ["when-mismatch", "warning", "0000_one"],
      ["when-mismatch", "warning", "0001_two"],
    ],
  },
  {
    title: "pending is no high-water mark: a newer date in the ledger hides nothing",
    folder: folder([one, two]),
    ledger: ledger(["aaaa", 999]),
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "pending"],
    ],
    pending: ["0001_two"],
    problems: [["when-mismatch", "warning", "0000_one"]],
  },
  {
    title: "a pending migration before an applied one is refused as out of order",
    folder: folder([one, two, three]),
    ledger: ledger(["aaaa", 0], ["cccc", 2]),
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "pending"],
      ["0002_three", "applied", 2],
    ],
    pending: ["0001_two"],
    problems: [["out-of-order", "error", "0001_two"]],
  },
  {
    title: "with the flag, out of order is only a warning",
    folder: folder([one, two, three]),
    ledger: ledger(["aaaa", 0], ["cccc", 2]),
    allowOutOfOrder: true,
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "pending"],
      ["0002_three", "applied", 2],
    ],
    pending: ["0001_two"],
    problems: [["out-of-order", "warning", "0001_two"]],
  },
  {
    title: "an applied file that changed is edited, never pending again",
    folder: folder([one, migration("0001_two", "BBBB"), three]),
    ledger: ledger(["aaaa", 0], ["bbbb", 1], ["cccc", 2]),
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "edited", 2],
      ["0002_three", "applied", 3],
    ],
    pending: [],
    problems: [["edited", "error", "0001_two"]],
  },
  {
    title: "what is pending before an edited migration is out of order too",
    folder: folder([one, migration("0001_two", "BBBB")]),
    ledger: ledger(["bbbb", 1]),
    states: [
      ["0000_one", "pending"],
      ["0001_two", "edited", 1],
    ],
    pending: ["0000_one"],
    problems: [
      ["out-of-order", "error", "0000_one"],
      ["edited", "error", "0001_two"],
    ],
  },
  {
    title: "a journal entry without its file is missing, applied or not",
    folder: folder([migration("0000_one", null), migration("0001_two", null)]),
    ledger: ledger(["aaaa", 0]),
    states: [
      ["0000_one", "missing", 1],
      ["0001_two", "missing"],
    ],
    pending: [],
    problems: [
      ["missing-file", "error", "0000_one"],
      ["missing-file", "error", "0001_two"],
    ],
  },
  {
    title: "a ledger row that no file has is unknown, and last",
    folder: folder([one]),
    ledger: ledger(["ffff", 5], ["aaaa", 0]),
    states: [
      ["0000_one", "applied", 2],
      [null, "unknown", 1],
    ],
    pending: [],
    problems: [["unknown-applied", "warning", null]],
  },
  {
    title: "two rows of one migration count once and are warned of",
    folder: folder([one, two]),
    ledger: ledger(["aaaa", 0], ["aaaa", 0], ["bbbb", 1]),
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "applied", 3],
    ],
    pending: [],
    problems: [["duplicate-ledger-row", "warning", null]],
  },
  {
    title: "a second row of one migration makes no other edited, whatever its date",
    folder: folder([one, two]),
    ledger: ledger(["aaaa", 0], ["aaaa", 1]),
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "pending"],
    ],
    pending: ["0001_two"],
    problems: [["duplicate-ledger-row", "warning", null]],
  },
  {
    title: "an applied file edited into a copy of another one is edited, not pending",
    folder: folder([one, migration("0001_two", "aaaa")]),
    ledger: ledger(["aaaa", 0], ["bbbb", 1]),
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "edited", 2],
    ],
    pending: [],
    problems: [["edited", "error", "0001_two"]],
  },
  {
    title: "equal files each need a row of their own",
    folder: folder([one, migration("0001_two", "aaaa")]),
    ledger: ledger(["aaaa", 0]),
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "pending"],
    ],
    pending: ["0001_two"],
    problems: [],
  },
  {
    title: "of equal files, the one with the row's date is the applied one",
    folder: folder([one, migration("0001_two", "aaaa")]),
    ledger: ledger(["aaaa", 1]),
    states: [
      ["0000_one", "pending"],
      ["0001_two", "applied", 1],
    ],
    pending: ["0000_one"],
    problems: [["out-of-order", "error", "0000_one"]],
  },
  {
    title: "equal files that both ran are both applied, without a warning of duplicates",
    folder: folder([one, migration("0001_two", "aaaa")]),
    ledger: ledger(["aaaa", 1], ["aaaa", 0]),
    states: [
      ["0000_one", "applied", 2],
      ["0001_two", "applied", 1],
    ],
    pending: [],
    problems: [],
  },
  {
    title: "a copy of an applied file under a date that the ledger knows is pending, not edited",
    folder: folder([migration("0000_one", "aaaa"), migration("0001_two", "aaaa", { when: FIRST_WHEN })]),
    ledger: ledger(["aaaa", 0]),
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "pending"],
    ],
    pending: ["0001_two"],
    problems: [["when-not-increasing", "warning", "0001_two"]],
  },
  {
    title: "a file that the journal does not name is warned of",
    folder: folder([one], ["0001_lost.sql"]),
    ledger: ledger(["aaaa", 0]),
    states: [["0000_one", "applied", 1]],
    pending: [],
    problems: [["not-in-journal", "warning", null]],
  },
  {
    title: "equal and falling dates are warned of",
    folder: folder([
      one,
      migration("0001_two", "bbbb", { when: FIRST_WHEN }),
      migration("0002_three", "cccc", { when: FIRST_WHEN - 1 }),
    ]),
    ledger: [],
    states: [
      ["0000_one", "pending"],
      ["0001_two", "pending"],
      ["0002_three", "pending"],
    ],
    pending: ["0000_one", "0001_two", "0002_three"],
    problems: [
      ["when-not-increasing", "warning", "0001_two"],
      ["when-not-increasing", "warning", "0002_three"],
    ],
  },
  {
    title: "a date in the future is warned of, the present one is not",
    folder: folder([
      migration("0000_one", "aaaa", { when: NOW }),
      migration("0001_two", "bbbb", { when: NOW + 1 }),
    ]),
    ledger: [],
    states: [
      ["0000_one", "pending"],
      ["0001_two", "pending"],
    ],
    pending: ["0000_one", "0001_two"],
    problems: [["when-in-future", "warning", "0001_two"]],
  },
  {
    title: "one number given twice is warned of",
    folder: folder([one, two, migration("0001_other", "dddd", { when: FIRST_WHEN + 1500 })]),
    ledger: [],
    states: [
      ["0000_one", "pending"],
      ["0001_two", "pending"],
      ["0001_other", "pending"],
    ],
    pending: ["0000_one", "0001_two", "0001_other"],
    problems: [["duplicate-number", "warning", "0001_other"]],
  },
  {
    title: "a missing snapshot is warned of",
    folder: folder([migration("0000_one", "aaaa", { hasSnapshot: false }), two]),
    ledger: [],
    states: [
      ["0000_one", "pending"],
      ["0001_two", "pending"],
    ],
    pending: ["0000_one", "0001_two"],
    problems: [["snapshot-missing", "warning", "0000_one"]],
  },
  {
    title: "a snapshot that does not follow the one before is warned of",
    folder: folder([
      migration("0000_one", "aaaa", { snapshot: { id: "A", prevId: NO_ID } }),
      migration("0001_two", "bbbb", { snapshot: { id: "B", prevId: "A" } }),
      migration("0002_three", "cccc", { snapshot: { id: "C", prevId: "A" } }),
    ]),
    ledger: [],
    states: [
      ["0000_one", "pending"],
      ["0001_two", "pending"],
      ["0002_three", "pending"],
    ],
    pending: ["0000_one", "0001_two", "0002_three"],
    problems: [["snapshot-chain-broken", "warning", "0002_three"]],
  },
  {
    title: "a snapshot without ids is warned of once, not also by the one behind it",
    folder: folder([migration("0000_one", "aaaa", { snapshot: { id: "", prevId: "" } }), two]),
    ledger: [],
    states: [
      ["0000_one", "pending"],
      ["0001_two", "pending"],
    ],
    pending: ["0000_one", "0001_two"],
    problems: [["snapshot-chain-broken", "warning", "0000_one"]],
  },
  {
    title: "a Drizzle schema ahead of the migrations is warned of",
    folder: folder([one]),
    ledger: ledger(["aaaa", 0]),
    options: { schemaAhead: true },
    states: [["0000_one", "applied", 1]],
    pending: [],
    problems: [["schema-ahead", "warning", null]],
  },
  {
    title: "in CI, a pending migration whose down nobody has finished is an error, an applied one is none",
    folder: folder([
      { ...one, down: down("0000_one", "unproved") },
      { ...two, down: down("0001_two", "unfinished") },
      { ...three, down: down("0002_three", "unproved") },
    ]),
    ledger: ledger(["aaaa", 0]),
    options: { ci: true },
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "pending"],
      ["0002_three", "pending"],
    ],
    pending: ["0001_two", "0002_three"],
    problems: [
      ["down-unfinished", "error", "0001_two"],
      ["down-unfinished", "error", "0002_three"],
    ],
  },
  {
    title: "elsewhere, a down that nobody has finished stops nothing",
    folder: folder([{ ...one, down: down("0000_one", "unfinished") }]),
    ledger: [],
    states: [["0000_one", "pending"]],
    pending: ["0000_one"],
    problems: [],
  },
  {
    title: "a cut run of an unchanged file is warned of, and stays pending",
    folder: folder([one]),
    ledger: [],
    options: { partials: [cut("0000_one", "up", "aaaa")] },
    states: [["0000_one", "pending"]],
    pending: ["0000_one"],
    problems: [["partly-applied", "warning", "0000_one"]],
  },
  {
    title: "a cut run whose file has changed since is an error",
    folder: folder([one]),
    ledger: [],
    options: { partials: [cut("0000_one", "up", "dddd")] },
    states: [["0000_one", "pending"]],
    pending: ["0000_one"],
    problems: [["edited", "error", "0000_one"]],
  },
  {
    title: "a cut rollback is an error",
    folder: folder([one]),
    ledger: ledger(["aaaa", 0]),
    options: { partials: [cut("0000_one", "down", "down")] },
    states: [["0000_one", "applied", 1]],
    pending: [],
    problems: [["partly-rolled-back", "error", "0000_one"]],
  },
  {
    title: "cut runs of what has been finished or undone mean nothing",
    folder: folder([one, two]),
    ledger: ledger(["aaaa", 0]),
    options: {
      partials: [cut("0000_one", "up", "aaaa"), cut("0001_two", "down", "x"), cut("0009_else", "up", "aaaa")],
    },
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "pending"],
    ],
    pending: ["0001_two"],
    problems: [],
  },
  {
    title: "a cut run whose file was renamed is known by its text, one whose file is gone is told",
    folder: folder([one, two]),
    ledger: ledger(["aaaa", 0]),
    options: { partials: [cut("0001_old_name", "up", "bbbb"), cut("0009_gone", "up", "x")] },
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "pending"],
    ],
    pending: ["0001_two"],
    problems: [
      ["partly-applied", "warning", "0001_two"],
      ["partly-applied", "warning", null],
    ],
  },
  {
    title: "strict leaves warnings what was allowed, and what only a run can mend",
    folder: folder([one, two, three]),
    ledger: ledger(["aaaa", 0], ["cccc", 2]),
    allowOutOfOrder: true,
    options: { strict: true, partials: [cut("0001_two", "up", "bbbb")] },
    states: [
      ["0000_one", "applied", 1],
      ["0001_two", "pending"],
      ["0002_three", "applied", 2],
    ],
    pending: ["0001_two"],
    problems: [
      ["out-of-order", "warning", "0001_two"],
      ["partly-applied", "warning", "0001_two"],
    ],
  },
  {
    title: "what a project does not number has no number twice, and shares one snapshot",
    folder: folder([
      migration("add_a", "aaaa", { when: 0 }),
      migration("add_b", "bbbb", { when: 1, hasSnapshot: false }),
    ]),
    ledger: [],
    states: [
      ["add_a", "pending"],
      ["add_b", "pending"],
    ],
    pending: ["add_a", "add_b"],
    problems: [],
  },
  {
    title: "a project's own severities count, and `off` hides a problem",
    folder: folder(
      [migration("0000_one", "aaaa", { hasSnapshot: false }), two],
      ["0009_lost.sql", "0010_lost.sql"],
    ),
    ledger: ledger(["bbbb", 1]),
    options: {
      severities: { "snapshot-missing": "off", "not-in-journal": "error", "out-of-order": "warning" },
    },
    states: [
      ["0000_one", "pending"],
      ["0001_two", "applied", 1],
    ],
    pending: ["0000_one"],
    problems: [
      ["out-of-order", "warning", "0000_one"],
      ["not-in-journal", "error", null],
      ["not-in-journal", "error", null],
    ],
  },
  {
    title: "strict makes every warning an error, but does not bring back what is off",
    folder: folder([migration("0000_one", "aaaa", { hasSnapshot: false })], ["0009_lost.sql"]),
    ledger: [],
    options: { strict: true, severities: { "snapshot-missing": "off" } },
    states: [["0000_one", "pending"]],
    pending: ["0000_one"],
    problems: [["not-in-journal", "error", null]],
  },
];

describe("planMigrations", () => {
  test.each(titled(CASES))(
    "%s",
    (_, { folder, ledger, allowOutOfOrder, options, states, pending, problems }) => {
      const plan = planMigrations(folder, ledger, { now: NOW, allowOutOfOrder, ...options });
      expect(plan.entries.map(({ tag, state, row }) => [tag, state, row?.id])).toEqual(
        states.map(([tag, state, row]) => [tag, state, row]),
      );
      expect(plan.pending.map(({ tag }) => tag)).toEqual(pending);
      expect(plan.problems.map(({ code, severity, tag }) => [code, severity, tag])).toEqual(problems);
    },
  );

  test("of two files of equal text only the one whose run was cut takes it up", () => {
    const twin = migration("0003_twin", "bbbb", { when: 3 });
    const partial = cut("0003_twin", "up", "bbbb");
    const plan = planMigrations(folder([one, two, twin]), ledger(["aaaa", 0]), {
      now: NOW,
      partials: [partial],
    });
    expect([...plan.cut]).toEqual([[twin, partial]]);
  });

  test("every problem code is met by a case above", () => {
    const codes: Record<ProblemCode, true> = {
      edited: true,
      "missing-file": true,
      "out-of-order": true,
      "unknown-applied": true,
      "duplicate-ledger-row": true,
      "not-in-journal": true,
      "duplicate-number": true,
      "when-not-increasing": true,
      "when-in-future": true,
      "when-mismatch": true,
      "snapshot-missing": true,
      "snapshot-chain-broken": true,
      "schema-ahead": true,
      "down-unfinished": true,
      "partly-applied": true,
      "partly-rolled-back": true,
    };
    const met = new Set(CASES.flatMap((one) => one.problems.map(([code]) => code)));
    expect([...met].sort()).toEqual(Object.keys(codes).sort());
  });

  test("every problem says what is wrong, with a name in it, and how to mend it", () => {
    for (const { folder, ledger, options } of CASES) {
      for (const { message, fix, tag } of planMigrations(folder, ledger, { now: NOW, ...options }).problems) {
        expect(message).toMatch(
          tag === null ? /row \d+, hash \w{4}|\.sql|Drizzle schema|run of \w+ was cut/ : new RegExp(tag),
        );
        expect(fix).not.toBe("");
      }
    }
  });

  test("an edited migration shows the file's hash, a missing one that of the ledger", () => {
    const plan = planMigrations(
      folder([migration("0000_one", "AAAA"), migration("0001_two", null), migration("0002_three", null)]),
      ledger(["aaaa", 0], ["bbbb", 1]),
      { now: NOW },
    );
    expect(plan.entries.map(({ hash }) => hash)).toEqual(["AAAA", "bbbb", null]);
    expect(plan.problems[0]?.message).toContain("ledger aaaa, file AAAA");
  });

  test("the same folder and ledger give the same plan, and neither is changed", () => {
    const frozen = folder(Object.freeze([one, two, three]) as readonly Migration[]);
    const rows = Object.freeze(ledger(["cccc", 2], ["aaaa", 0])) as LedgerRow[];
    expect(planMigrations(frozen, rows, { now: NOW })).toEqual(planMigrations(frozen, rows, { now: NOW }));
  });
});
