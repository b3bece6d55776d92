import { identifier } from "../../../database/sql-text.ts";
import type { Constraint, Relation } from "../../facts.ts";
import type { HazardContext } from "../hazard.ts";
import { blockedBy, severityAt, type Worked } from "../locked.ts";
import { objectsIn } from "../nodes.ts";
import type { Found, Rule } from "../rule.ts";
import { alterColumn, alterTable, columnsOf, inTwoMigrations, keptOut, spoken, withRows } from "../words.ts";
import { changesOf, isOfConstraint, workBecauseOf } from "./work.ts";

/** Full scans and index builds that keep others out of a table; the scan and the lock were measured. */
export const SCAN_RULES: readonly Rule[] = [
  {
    id: "index-without-concurrently",
    severity: "high",
    title: "CREATE INDEX on a table that is in use",
    effect: "Every INSERT, UPDATE and DELETE on the table waits until the index is built.",
    safer:
      "CREATE INDEX CONCURRENTLY: the migrator runs it outside of a transaction and resumes it if it is cut.",
    find: (context) =>
      workBecauseOf(context, "index").map((worked) => ({
        ...foundFor(context, worked, "while the index is built"),
        safer: concurrentIndexes(context, worked),
      })),
  },
  {
    id: "key-built-under-lock",
    severity: "high",
    title: "UNIQUE, PRIMARY KEY or EXCLUDE added to a table that is in use",
    effect: "Reads and writes of the table wait until the constraint's index is built.",
    safer:
      "Build the unique index CONCURRENTLY, then make it the constraint's with USING INDEX. EXCLUDE has no such form.",
    find: (context) =>
      workBecauseOf(context, "key").map((worked) => ({
        ...foundFor(context, worked, "while the constraint's index is built"),
        safer: keysOnTheSide(context, worked),
      })),
  },
  {
    id: "not-null-scan",
    severity: "high",
    title: "SET NOT NULL scans a table that is in use",
    effect: "Reads and writes of the table wait while PostgreSQL looks for NULLs in every row.",
    safer:
      "Add CHECK (… IS NOT NULL) NOT VALID and validate it later: SET NOT NULL then believes the check and scans nothing.",
    find: (context) =>
      workBecauseOf(context, "not-null").map((worked) => ({
        ...foundFor(context, worked, "while its rows are searched for NULLs"),
        safer: changesOf(context, "not-null-set")
          .filter(({ table }) => table.oid === worked.table.oid)
          .map(({ column }) => notNullByCheck(current(context, worked), column))
          .join("\n\n"),
      })),
  },
  {
    id: "check-scan",
    severity: "high",
    title: "CHECK added to a table that is in use",
    effect: "Reads and writes of the table wait while PostgreSQL checks every row.",
    safer: "Add it NOT VALID, which holds for new rows at once, and VALIDATE it in the next migration.",
    find: (context) =>
      workBecauseOf(context, "check").map((worked) => ({
        ...foundFor(context, worked, "while every row is checked"),
        safer: notValidFirst(context, constraintsOf(context, "c", worked)),
      })),
  },
  {
    id: "foreign-key-scan",
    severity: "high",
    title: "FOREIGN KEY added and checked at once",
    effect: "Writes to both tables wait while PostgreSQL looks up every row of the one in the other.",
    safer: "Add it NOT VALID, which holds for new rows at once, and VALIDATE it in the next migration.",
    find: foreignKeys,
  },
  {
    id: "scan-under-lock",
    severity: "high",
    title: "A table in use is gone through while others are kept out",
    effect: "Whoever the lock keeps out waits until the last row was looked at.",
    safer:
      "Give PostgreSQL the proof before it needs the lock: for ATTACH PARTITION a validated CHECK like the partition's bound.",
    find: (context) =>
      // Of a column that must be written, required-column says more.
      changesOf(context, "column-added").some(({ column }) => column.notNull)
        ? []
        : workBecauseOf(context, "other").map((worked) => ({
            ...foundFor(context, worked, "while it is gone through"),
            ...(isAttached(context) ? {} : { safer: ALONE }),
          })),
  },
];

const ALONE = "Do it in a migration of its own, so that its lock is not held for what comes after it.";

function isAttached({ nodes }: HazardContext): boolean {
  return nodes.some((node) => [...objectsIn(node)].some(({ subtype }) => subtype === "AT_AttachPartition"));
}

function foundFor(
  context: HazardContext,
  { table, lock }: Worked,
  meanwhile: string,
): Found & { message: string } {
  return {
    message: `${keptOut(lock.mode)} ${withRows(context, table)} ${meanwhile} (${lock.mode})`,
    severity: severityAt(context, lock.relation, "high"),
  };
}

/** As the table is called by now. */
function current({ facts }: HazardContext, { table }: Worked): Relation {
  return facts.relations.get(table.oid) ?? table;
}

/** PostgreSQL has no such form for a partitioned table: there each partition gets its index, and the parent takes them in. */
function concurrentIndexes(context: HazardContext, { table, lock }: Worked): string {
  const made = changesOf(context, "index-added").filter((change) => !isOfConstraint(context, change));
  const concurrently = (definition: string) =>
    `${definition.replace(/^CREATE (UNIQUE )?INDEX /, (words) => `${words}CONCURRENTLY `)};`;
  if (table.kind !== "p")
    return made
      .filter(({ index }) => index.table === lock.relation.oid)
      .map(({ index }) => concurrently(index.definition))
      .join("\n");
  const [own] = made.filter(({ index }) => index.table === table.oid);
  const parts = made.filter((change) => change !== own);
  return [
    ...(own ? [`${own.index.definition};`] : []),
    ...parts.map(({ index }) => concurrently(index.definition)),
    ...parts.map(({ relation }) =>
      own
        ? `ALTER INDEX ${identifier(own.relation.name)} ATTACH PARTITION ${identifier(relation.name)};`
        : "",
    ),
  ].join("\n");
}

function keysOnTheSide(context: HazardContext, worked: Worked): string | undefined {
  const table = context.statement.facts.relations.get(worked.table.oid) ?? worked.table;
  const keys = constraintsOf(context, "pu", worked).map((constraint) => {
    const index = changesOf(context, "index-added").find(({ relation }) => relation.name === constraint.name);
    const kind = constraint.type === "p" ? "PRIMARY KEY" : "UNIQUE";
    const timing = / DEFERRABLE.*$/.exec(constraint.definition)?.[0] ?? "";
    const build = index?.index.definition.replace(
      /^CREATE UNIQUE INDEX /,
      "CREATE UNIQUE INDEX CONCURRENTLY ",
    );
    const name = identifier(constraint.name);
    return [
      `${build ?? `CREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${identifier(table.name)} (${columnsOf(table, constraint)})`};`,
      alterTable(table, `ADD CONSTRAINT ${name} ${kind} USING INDEX ${name}${timing}`),
    ].join("\n");
  });
  return keys.length > 0 && table.kind !== "p" ? keys.join("\n\n") : undefined;
}

/** PostgreSQL takes a validated check as proof, and then needs no scan; source: its documentation of ALTER TABLE. */
export function notNullByCheck(table: Relation, column: { readonly name: string }): string {
  const name = identifier(`${table.name}_${column.name}_not_null`);
  return inTwoMigrations(
    [alterTable(table, `ADD CONSTRAINT ${name} CHECK (${identifier(column.name)} IS NOT NULL) NOT VALID`)],
    [
      alterTable(table, `VALIDATE CONSTRAINT ${name}`),
      alterColumn(table, column, "SET NOT NULL"),
      alterTable(table, `DROP CONSTRAINT ${name}`),
    ],
  );
}

function constraintsOf(
  context: HazardContext,
  types: string,
  { table, lock }: Worked,
): readonly Constraint[] {
  return changesOf(context, "constraint-added")
    .map(({ constraint }) => constraint)
    .filter(({ type, table: on }) => types.includes(type) && [table.oid, lock.relation.oid].includes(on));
}

function notValidFirst(context: HazardContext, constraints: readonly Constraint[]): string {
  return constraints
    .flatMap((constraint) => {
      const { name, table: oid, definition } = constraint;
      const table = context.statement.facts.relations.get(oid);
      if (table === undefined || isOfPartition(context, constraint)) return [];
      return inTwoMigrations(
        [alterTable(table, `ADD CONSTRAINT ${identifier(name)} ${definition} NOT VALID`)],
        [alterTable(table, `VALIDATE CONSTRAINT ${identifier(name)}`)],
      );
    })
    .join("\n\n");
}

/** One finding for each constraint, also where both of its tables are in use. */
function foreignKeys(context: HazardContext): readonly Found[] {
  const worked = workBecauseOf(context, "foreign-key");
  const { relations } = context.statement.facts;
  return changesOf(context, "constraint-added").flatMap(({ constraint }) => {
    const { type, validated, name, table: oid, referenced } = constraint;
    const own = worked.filter(({ lock }) => [oid, referenced].includes(lock.relation.oid));
    const [first] = own;
    const table = relations.get(oid);
    if (first === undefined || table === undefined || type !== "f" || !validated) return [];
    if (isOfPartition(context, constraint)) return [];
    const tables = blockedBy(context, context.statement)
      .map(({ relation }) => relation)
      .filter((relation) => [oid, referenced].includes(relation.oid));
    const severities = own.map(({ lock }) => severityAt(context, lock.relation, "high"));
    return {
      message: `${keptOut(first.lock.mode)} ${tables.map((one) => withRows(context, one)).join(" or ")} while every row of ${spoken(table)} is looked up for ${name} (${first.lock.mode})`,
      severity: severities.includes("high") ? "high" : "low",
      safer: notValidFirst(context, [constraint]),
    };
  });
}

/** Its parent's says all. */
function isOfPartition(context: HazardContext, { name, table }: Constraint): boolean {
  return changesOf(context, "constraint-added").some(
    ({ constraint }) =>
      constraint.name === name &&
      constraint.table !== table &&
      context.statement.facts.relations.get(constraint.table)?.kind === "p",
  );
}
