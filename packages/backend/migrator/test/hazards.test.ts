import { readdir, readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { HAZARD_KINDS } from "../src/review/hazards/find.ts";
import { loadParser, nodesOf } from "../src/review/hazards/nodes.ts";
import { runSquawk } from "../src/review/hazards/squawk.ts";
import { BREAKPOINT } from "./support/folder.ts";
import { EXAMPLES, exampleOf } from "./support/hazard-examples.ts";
import { hazardsBench, type Looked } from "./support/hazards.ts";
import { hazardsPage, PAGE, WRITE_PAGE } from "./support/hazards-page.ts";

const look = hazardsBench();

/** What no file of a folder can show. */
const WITHOUT_EXAMPLE = ["squawk-missing"];

const SHOWN = HAZARD_KINDS.filter(({ id }) => !WITHOUT_EXAMPLE.includes(id));

function idsOf({ hazards }: Looked): readonly string[] {
  return hazards.map(({ id }) => id);
}

describe("each hazard", () => {
  test("has a bad and a good example, and each example a hazard", async () => {
    for (const { id } of SHOWN)
      expect([id, exampleOf(id, "bad"), exampleOf(id, "good")]).not.toContain(undefined);
    const folders = (await readdir(EXAMPLES, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    expect(folders.map(({ name }) => name).sort()).toEqual(SHOWN.map(({ id }) => id).sort());
  });

  test.concurrent.each(SHOWN)(
    "$id is in its bad example, and neither in the good one nor in the safer form",
    async ({ id }) => {
      const bad = await look(exampleOf(id, "bad") ?? "");
      const own = bad.hazards.filter((hazard) => hazard.id === id);
      expect(own).toHaveLength(1);
      // Squawk's part is told from ours by the bad example; without it, all of this takes half the time.
      const surroundings = own[0]?.source === "squawk" ? {} : { squawk: { findings: new Map() } };
      await loadParser();
      // Up to the step that waits for the next deploy; words, where there is no SQL for it.
      const safer = own[0]?.safer?.split(/^-- once /m)[0] ?? "";
      expect(safer).not.toBe("");
      for (const sql of [exampleOf(id, "good") ?? "", nodesOf(safer).length > 0 ? safer : "SELECT 1"]) {
        const looked = await look(sql, surroundings);
        expect(looked.failures).toEqual([]);
        expect(idsOf(looked)).not.toContain(id);
      }
    },
  );

  test("is on the page of documentation as it is in the rules", async () => {
    const page = await readFile(PAGE, "utf8").catch(() => "");
    expect(page === hazardsPage(), `docs/hazards.md is stale: ${WRITE_PAGE} writes it anew`).toBe(true);
  });
});

describe("there is no noise", () => {
  const FIRST = [
    'CREATE TABLE "shops" ("id" integer PRIMARY KEY, "name" varchar(50), "state" text);',
    'CREATE TABLE "wares" ("id" serial PRIMARY KEY, "shop_id" integer NOT NULL, "price" integer, "code" text);',
    'ALTER TABLE "wares" ADD CONSTRAINT "wares_shop_fk" FOREIGN KEY ("shop_id") REFERENCES "shops" ("id");',
    'CREATE INDEX "wares_shop_idx" ON "wares" ("shop_id");',
  ].join(BREAKPOINT);
  const LATER = [
    'ALTER TABLE "shops" ADD COLUMN "token" uuid NOT NULL DEFAULT gen_random_uuid();',
    'ALTER TABLE "wares" ALTER COLUMN "price" SET DATA TYPE bigint;',
    'ALTER TABLE "wares" ALTER COLUMN "price" SET NOT NULL;',
    'ALTER TABLE "wares" ADD CONSTRAINT "wares_price" CHECK ("price" > 0) NOT VALID;',
    'ALTER TABLE "wares" VALIDATE CONSTRAINT "wares_price";',
    'ALTER TABLE "wares" ADD CONSTRAINT "wares_code_key" UNIQUE ("code");',
    'UPDATE "wares" SET "price" = 1;',
    'DROP INDEX "wares_shop_idx";',
    'ALTER TABLE "wares" RENAME COLUMN "code" TO "sku";',
    'ALTER TABLE "shops" DROP COLUMN "state";',
    'DROP TABLE "wares";',
  ].join(BREAKPOINT);

  test.concurrent("on a folder's first migrations", async () => {
    const looked = await look(`${FIRST}\n-- in the next migration:\n${LATER}`, { base: "select 1" });
    expect(looked.failures).toEqual([]);
    expect(looked.hazards).toEqual([]);
  });

  test.concurrent("on tables that the plan makes beside others that are in use", async () => {
    const looked = await look(`${FIRST}\n-- in the next migration:\n${LATER}`);
    expect(looked.failures).toEqual([]);
    expect(looked.hazards).toEqual([]);
  });

  test.concurrent("of locks on tables without rows", async () => {
    const rows = { shops: 0, wares: 0 };
    const known = new Set([
      "renamed-column",
      "dropped-column",
      "dropped-table",
      "retyped-column",
      "required-column",
    ]);
    const { hazards } = await look(LATER, { base: FIRST.replaceAll(BREAKPOINT, "\n"), rows });
    // Code may name them all the same.
    expect(hazards.filter(({ id, severity }) => !known.has(id) || severity !== "low")).toEqual([]);
  });

  test.concurrent("of a table of few rows that is gone through: it is low", async () => {
    const { hazards } = await look('ALTER TABLE "payments" ADD CHECK ("amount" > 0);', {
      rows: { payments: 300 },
    });
    expect(hazards).toMatchObject([{ id: "check-scan", severity: "low" }]);
  });
});

/** A plan, and the ids of the hazards of each of its statements. */
const PLANS: readonly {
  readonly name: string;
  readonly sql: readonly string[];
  readonly finds: readonly (readonly string[])[];
}[] = [
  {
    name: "an enum made anew without a value, as drizzle-kit does it",
    sql: [
      'ALTER TABLE "orders" ALTER COLUMN "state" SET DATA TYPE text;',
      'ALTER TABLE "orders" ALTER COLUMN "state" DROP DEFAULT;',
      'DROP TYPE "order_state";',
      "CREATE TYPE \"order_state\" AS ENUM ('open', 'paid');",
      'ALTER TABLE "orders" ALTER COLUMN "state" SET DATA TYPE "order_state" USING "state"::"order_state";',
      'ALTER TABLE "orders" ALTER COLUMN "state" SET DEFAULT \'open\';',
    ],
    finds: [["table-rewrite"], [], ["removed-enum-value"], [], ["table-rewrite"], []],
  },
  {
    name: "a partitioned table, told once for all of its partitions",
    sql: [
      'CREATE INDEX "events_kind_idx" ON "events" ("kind");',
      'ALTER TABLE "events" ADD CONSTRAINT "events_id_positive" CHECK ("id" > 0);',
      'ALTER TABLE "events" RENAME COLUMN "kind" TO "sort";',
    ],
    finds: [["index-without-concurrently"], ["check-scan"], ["renamed-column"]],
  },
  {
    name: "a table that is dropped with the one that it refers to",
    sql: ['DROP TABLE "orders", "users";'],
    finds: [["dropped-table", "dropped-table"]],
  },
  {
    name: "an index that is not there, beside a table that is in use",
    sql: ['DROP INDEX IF EXISTS "missing_idx"; UPDATE "payments" SET "amount" = 1 WHERE "id" = 1;'],
    finds: [[], []],
  },
  {
    name: "tables that go with others",
    sql: ['DROP TABLE "orders";', 'DROP SCHEMA "public" CASCADE;'],
    finds: [
      ["dropped-table", "drop-locks-other-table"],
      // The last is drafts, which has no rows.
      [...Array<string>(6).fill("dropped-table"), "locks-gathered", "dropped-table"],
    ],
  },
  {
    name: "what a DO block hides from the parser",
    sql: [
      'DO $$ BEGIN ALTER TABLE "payments" DROP COLUMN "amount"; END $$;',
      "ALTER TYPE \"order_state\" ADD VALUE 'lost';",
      'DO $$ BEGIN IF EXISTS (SELECT FROM "orders") THEN UPDATE "orders" SET "state" = \'lost\'; END IF; END $$;',
    ],
    finds: [["dropped-column"], [], ["enum-value-used-at-once"]],
  },
  {
    name: "rows that are picked by a key, and others, under a lock",
    sql: [
      'ALTER TABLE "payments" ADD COLUMN "currency" text;',
      'INSERT INTO "payments" ("id", "amount") VALUES (1, 1);',
      'UPDATE "payments" SET "amount" = 2 WHERE "id" = 5;',
      'DELETE FROM "users" WHERE "email" = \'x\' AND "nickname" IS NULL;',
      'DELETE FROM "users" WHERE "email" = \'x\' OR "nickname" IS NULL;',
      'CREATE TABLE "copies" AS SELECT * FROM "users";',
      'INSERT INTO "drafts" ("id") SELECT "id" FROM "orders";',
    ],
    finds: [
      [],
      [],
      [],
      [],
      ["lock-held-over-slow-work"],
      ["lock-held-over-slow-work"],
      ["lock-held-over-slow-work"],
    ],
  },
  {
    name: "two files that lock the same tables in opposite order",
    sql: [
      'ALTER TABLE "payments" ADD COLUMN "one" text;',
      'ALTER TABLE "users" ADD COLUMN "one" text;\n-- in the next migration:\nALTER TABLE "users" ADD COLUMN "two" text;',
      'ALTER TABLE "payments" ADD COLUMN "two" text;',
    ],
    finds: [[], ["locks-gathered"], [], ["locks-gathered", "lock-order"]],
  },
  {
    name: "a table that another takes the place of, and a view for the old name",
    sql: [
      'CREATE TABLE "payments_new" (LIKE "payments" INCLUDING ALL);',
      'DROP TABLE "payments";',
      'ALTER TABLE "payments_new" RENAME TO "payments";',
      'ALTER TABLE "orders" RENAME TO "purchases";',
      'CREATE VIEW "orders" AS SELECT * FROM "purchases";',
    ],
    finds: [[], [], [], ["locks-gathered"], []],
  },
  {
    name: "a default that is set again, and one that is not",
    sql: [
      'ALTER TABLE "users" ALTER COLUMN "country" DROP DEFAULT;',
      'ALTER TABLE "users" ALTER COLUMN "country" SET DATA TYPE varchar(2);',
      'ALTER TABLE "users" ALTER COLUMN "country" SET DEFAULT \'DE\';',
      'ALTER TABLE "orders" ALTER COLUMN "state" DROP DEFAULT;',
    ],
    finds: [[], ["table-rewrite"], [], ["dropped-default", "locks-gathered", "lock-order"]],
  },
  {
    name: "a column that must be written, in steps",
    sql: [
      'ALTER TABLE "users" ADD COLUMN "born" date;\n-- in the next migration:\nALTER TABLE "users" ALTER COLUMN "born" SET NOT NULL;',
      'ALTER TABLE "users" ALTER COLUMN "nickname" SET NOT NULL;',
    ],
    finds: [[], ["not-null-scan", "required-column"], ["not-null-scan", "required-column"]],
  },
  {
    name: "commands that are sent as one",
    sql: [
      'ALTER TABLE "payments" ADD CONSTRAINT "positive" CHECK ("amount" > 0) NOT VALID; ALTER TABLE "payments" VALIDATE CONSTRAINT "positive"; CREATE INDEX "payments_amount_idx" ON "payments" ("amount");',
    ],
    finds: [[], ["validated-in-same-transaction"], ["index-without-concurrently"]],
  },
  {
    name: "what writes a table anew",
    sql: [
      'ALTER TABLE "payments" ADD COLUMN "double" integer GENERATED ALWAYS AS ("amount" * 2) STORED;\n-- in the next migration:\nALTER TABLE "payments" ADD COLUMN "number" serial;\n-- in the next migration:\nALTER TABLE "payments" ADD COLUMN "seen" timestamp with time zone NOT NULL DEFAULT now();\n-- in the next migration:\nCLUSTER "payments" USING "payments_pkey";',
    ],
    finds: [["table-rewrite"], ["table-rewrite"], [], ["table-rewrite"]],
  },
];

describe("the hazards of", () => {
  test.concurrent.each(PLANS)("$name", async ({ sql, finds }) => {
    const { byStatement, failures } = await look(sql.join(BREAKPOINT));
    expect(failures).toEqual([]);
    expect(byStatement.map((hazards) => hazards.map(({ id }) => id))).toEqual(finds);
  });
});

test.concurrent("a partitioned table has one safer form for all of its partitions", async () => {
  const { hazards } = await look('ALTER TABLE "events" ADD CONSTRAINT "positive" CHECK ("id" > 0);');
  expect(hazards.map(({ safer }) => safer)).toEqual([
    [
      'ALTER TABLE "events" ADD CONSTRAINT "positive" CHECK ((id > 0)) NOT VALID;',
      "-- in the next migration:",
      'ALTER TABLE "events" VALIDATE CONSTRAINT "positive";',
    ].join("\n"),
  ]);
});

describe("a comment -- allow:", () => {
  const DROP = 'ALTER TABLE "orders" DROP COLUMN "note";';
  const RENAME = 'ALTER TABLE "users" RENAME COLUMN "nickname" TO "handle";';
  const ADD = 'ALTER TABLE "drafts" ADD COLUMN "subtitle" text;';

  /** Of each statement, its hazards with the reasons for which they are accepted. */
  async function allowedIn(sql: string): Promise<readonly (readonly string[])[]> {
    const { byStatement } = await look(sql);
    return byStatement.map((hazards) =>
      hazards.map(({ id, allowed, message }) =>
        id === "unused-allow" ? message : allowed === undefined ? id : `${id}: ${allowed}`,
      ),
    );
  }

  test.concurrent("accepts a hazard of the statement below it, with the reason", async () => {
    const sql = `${ADD}${BREAKPOINT}-- allow: dropped-column nobody reads it: release 41\n${DROP}${BREAKPOINT}SELECT 1`;
    expect(await allowedIn(sql)).toEqual([[], ["dropped-column: nobody reads it: release 41"], []]);
  });

  test.concurrent("stands for the statement that it is in, or behind on the same line", async () => {
    const inside = 'ALTER TABLE "orders"\n  -- allow: dropped-column inside\n  DROP COLUMN "note"';
    const behind = `${RENAME} -- allow: renamed-column behind`;
    expect(await allowedIn([ADD, inside, behind, ADD.replace("sub", "super")].join(BREAKPOINT))).toEqual([
      [],
      ["dropped-column: inside"],
      // Users are locked after orders, whose foreign key goes the same way.
      ["locks-gathered", "renamed-column: behind"].sort().reverse(),
      [],
    ]);
  });

  test.concurrent("stands above the next statement also across a breakpoint", async () => {
    const sql = `${ADD}\n-- allow: dropped-column above${BREAKPOINT}${DROP}`;
    expect(await allowedIn(sql)).toEqual([[], ["dropped-column: above"]]);
  });

  test.concurrent("stands for the whole file before its first statement, and for no other file", async () => {
    const file = `/* é */ -- allow: dropped-column all of it\n${ADD}${BREAKPOINT}${DROP}`;
    const next = 'ALTER TABLE "payments" DROP COLUMN "amount";';
    expect(await allowedIn(`${file}\n-- in the next migration:\n${next}`)).toEqual([
      [],
      ["dropped-column: all of it"],
      ["dropped-column"],
    ]);
  });

  test.concurrent("stands for one of the statements that a file divided for CONCURRENTLY has", async () => {
    const sql = `${ADD} -- é allow\nDROP INDEX CONCURRENTLY "users_email_idx"; -- allow: dropped-unique behind\n${DROP}`;
    expect(await allowedIn(sql)).toEqual([[], ["dropped-unique: behind"], ["dropped-column"]]);
  });

  test.concurrent("is none in a string, in a body or in a block comment", async () => {
    const texts = [
      `COMMENT ON TABLE "drafts" IS '\n-- allow: dropped-column string\n';`,
      "DO $$ BEGIN\n-- allow: dropped-column body\nPERFORM 1; END $$;",
      `/* -- allow: dropped-column block */ ${DROP}`,
    ];
    expect(await allowedIn(texts.join(BREAKPOINT))).toEqual([[], [], ["dropped-column"]]);
  });

  test.concurrent("without a reason accepts nothing, and is told", async () => {
    expect(await allowedIn(`${ADD}${BREAKPOINT}-- allow: dropped-column\n${DROP}`)).toEqual([
      [],
      ["dropped-column", "line 3: -- allow: dropped-column gives no reason, so the hazard stands"],
    ]);
  });

  test.concurrent("with an id that there is not, or that squawk has, is told", async () => {
    const comments = "-- allow: droped-column reason\n-- allow: ban-drop-column reason\n-- allow:\n";
    expect(await allowedIn(`${ADD}${BREAKPOINT}${comments}${DROP}`)).toEqual([
      [],
      [
        "dropped-column",
        'line 3: -- allow: names "droped-column", which is no hazard\'s id',
        "line 4: -- allow: names ban-drop-column of squawk's, which is called dropped-column here",
        "line 5: -- allow: names no hazard",
      ],
    ]);
  });

  test.concurrent("that accepts nothing is told", async () => {
    expect(await allowedIn(`${ADD}${BREAKPOINT}-- allow: dropped-table reason\n${DROP}`)).toEqual([
      [],
      ["dropped-column", "line 3: -- allow: dropped-table accepts nothing: there is no such hazard here"],
    ]);
  });
});

describe("squawk", () => {
  test.concurrent("speaks in the place of what was not measured, under the same id", async () => {
    const sql = [
      'CREATE INDEX "payments_missing_idx" ON "payments" ("missing");',
      'ALTER TABLE "payments" DROP COLUMN "missing";',
      'CREATE INDEX "drafts_missing_idx" ON "drafts" ("missing");',
    ].join(BREAKPOINT);
    const { byStatement } = await look(sql);
    expect(byStatement).toMatchObject([
      [
        {
          id: "index-without-concurrently",
          source: "squawk",
          message: expect.stringContaining("payments: "),
        },
      ],
      [{ id: "dropped-column", source: "squawk" }],
      [],
    ]);
  });

  test.concurrent("is told of where it cannot be run, and what is measured stands", async () => {
    const { hazards } = await look(
      '-- allow: ban-drop-not-null reason\nALTER TABLE "payments" DROP COLUMN "amount";',
      {
        squawk: { missing: "no program for plan9" },
      },
    );
    expect(hazards).toMatchObject([
      { id: "dropped-column" },
      { id: "squawk-missing", message: "no program for plan9" },
    ]);
  });

  test("says so on a platform for which it has no program", async () => {
    const { arch } = process;
    Object.defineProperty(process, "arch", { value: "mips" });
    const said = runSquawk([], 17);
    Object.defineProperty(process, "arch", { value: arch });
    expect(await said).toEqual({
      missing: expect.stringContaining(`no program for ${process.platform}-mips`),
    });
  });

  test.concurrent("does not accept what its own comments do", async () => {
    const sql = '-- squawk-ignore-file\nALTER TABLE "payments" ALTER COLUMN "amount" DROP NOT NULL;';
    expect(idsOf(await look(sql))).toEqual(["ban-drop-not-null"]);
  });

  test.concurrent("has each of its findings on the statement that it is about", async () => {
    const drop = 'DROP INDEX "orders_user_idx"';
    const notNull = 'ALTER TABLE "payments"\nALTER COLUMN "amount"\nDROP NOT NULL';
    const { byStatement } = await look([ADDED, notNull, drop].join("\n--> statement-breakpoint"));
    expect(
      byStatement.map((hazards) => hazards.map(({ id }) => id).filter((id) => /^(ban|require-c)/.test(id))),
    ).toEqual([[], ["ban-drop-not-null"], ["require-concurrent-index-deletion"]]);
  });
});

const ADDED = 'ALTER TABLE "drafts"\n\nADD COLUMN "subtitle" text -- é';
