import { identifier } from "../../../database/sql-text.ts";
import { changedRelations } from "../../changes.ts";
import type { Column, Index, Relation } from "../../facts.ts";
import type { HazardContext } from "../hazard.ts";
import type { Found, Rule } from "../rule.ts";
import { alterColumn, alterTable, spoken } from "../words.ts";
import { columnBefore, knownBefore, severityFor } from "./deploys.ts";
import { notNullByCheck } from "./scans.ts";
import { changesOf } from "./work.ts";

/** What the code of the last deploy does, and from now on must not: its names are still there. */
export const STRICTER_RULES: readonly Rule[] = [
  {
    id: "required-column",
    severity: "high",
    title: "A column must be written that running code does not write",
    effect:
      "Until the last process of the old code has stopped, its INSERTs fail with 23502 (null value violates not-null constraint).",
    safer: "Give the column a default, or set NOT NULL with the deploy after the one whose code writes it.",
    find: requiredColumns,
  },
  {
    id: "dropped-default",
    severity: "medium",
    title: "A default is lost on which running code may rely",
    effect:
      "Rows that are written without the column get NULL, or fail with 23502 where it is NOT NULL. Often not meant: the default has been lost on the way from the schema to the SQL. `high` where the column takes no NULL.",
    safer:
      "Set the default again at the end of the file, or drop it once all running code writes the column.",
    find: (context) => [...lostDefaults(context), ...defaultsLeftBehind(context)],
  },
  {
    id: "retyped-column",
    severity: "medium",
    title: "A column's type changes while running code may use it",
    effect:
      "The old code sends and expects the old type: comparisons may fail with 42883 (operator does not exist), values may arrive in another form (a bigint as text), and prepared statements fail once with 0A000.",
    safer: "Add a column of the new type, write to both, and drop the old one once no running code uses it.",
    find: retypedColumns,
  },
  {
    id: "dropped-unique",
    severity: "medium",
    title: "A unique index is dropped on which running code may rely",
    effect:
      "INSERT … ON CONFLICT on these columns fails with 42P10 (no unique constraint matches), and duplicates are let in.",
    safer:
      "Make the new unique index before the old one is dropped, or deploy code without the ON CONFLICT first.",
    find: droppedUniques,
  },
];

function requiredColumns(context: HazardContext): readonly Found[] {
  const added = changesOf(context, "column-added").filter(({ column }) => column.notNull);
  const set = changesOf(context, "not-null-set");
  return [...added, ...set].flatMap(({ table, column }): readonly Found[] => {
    const was = knownBefore(context, table.oid);
    if (
      was === undefined ||
      !isWritable(was) ||
      column.default !== null ||
      column.filled ||
      isDefaultedLater(context, table.oid, column)
    )
      return [];
    const isNew = columnBefore(was, column) === undefined;
    const message = isNew
      ? `${spoken(was)}.${column.name} is NOT NULL without a default, and the last deploy's code does not know it`
      : `${spoken(was)}.${column.name} takes no NULL from now on, which the last deploy's code may write`;
    return [
      {
        message,
        severity: severityFor(context, was, isNew ? "high" : "medium"),
        safer: isNew ? addThenRequire(was, column) : undefined,
      },
    ];
  });
}

function isWritable({ kind }: Relation): boolean {
  return kind === "r" || kind === "p";
}

/** By a later statement of the same transaction; another session sees only what it leaves. */
function isDefaultedLater(context: HazardContext, table: number, column: Column): boolean {
  return leftBy(context, table, column)?.default != null;
}

function leftBy({ script, statement }: HazardContext, table: number, { number }: Column): Column | undefined {
  const { relations } = (script.statements.at(-1) ?? statement).facts;
  return relations.get(table)?.columns.find((column) => column.number === number);
}

function addThenRequire(table: Relation, column: Column): string {
  return [
    alterTable(table, `ADD COLUMN ${identifier(column.name)} ${column.type}`),
    "-- once all running code writes it, and its NULLs are filled:",
    notNullByCheck(table, column),
  ].join("\n");
}

function lostDefaults(context: HazardContext): readonly Found[] {
  const { facts, statement } = context;
  return [...facts.relations.values()].flatMap((table) => {
    const now = statement.facts.relations.get(table.oid);
    const was = now === undefined || now === table ? undefined : knownBefore(context, table.oid);
    if (was === undefined || !isWritable(was)) return [];
    return table.columns.flatMap((column): readonly Found[] => {
      const old = columnBefore(was, column);
      const is = now?.columns.find(({ number }) => number === column.number);
      const isLost =
        old !== undefined && old.default !== null && column.default !== null && is?.default === null;
      if (!isLost || is.filled || leftBy(context, table.oid, column)?.default !== null) return [];
      return [
        {
          message: `${spoken(was)}.${old.name} loses its default ${old.default}`,
          severity: severityFor(context, was, is.notNull ? "high" : "medium"),
          safer: alterColumn(table, is, `SET DEFAULT ${old.default}`),
        },
      ];
    });
  });
}

/** A column under the name of one that had a default: made anew, or renamed to it. */
function defaultsLeftBehind(context: HazardContext): readonly Found[] {
  const { facts, statement } = context;
  return changedRelations(facts, statement.facts).flatMap((table) => {
    const before = facts.relations.get(table.oid);
    const was = before === undefined ? undefined : knownBefore(context, table.oid);
    if (was === undefined || !isWritable(was)) return [];
    return table.columns.flatMap((column): readonly Found[] => {
      const old = was.columns.find(({ name }) => name === column.name);
      const isAnother = old !== undefined && old.number !== column.number;
      const isSince = before?.columns.every(
        ({ name, number }) => name !== column.name || number !== column.number,
      );
      const left = leftBy(context, table.oid, column);
      if (!isAnother || !isSince || old.default === null || old.filled) return [];
      if (left?.name !== column.name || left.default !== null || left.filled) return [];
      return [
        {
          message: `${spoken(was)}.${old.name} is another column from now on, without the default ${old.default}`,
          severity: severityFor(context, was, left.notNull ? "high" : "medium"),
          safer: alterColumn(table, column, `SET DEFAULT ${old.default}`),
        },
      ];
    });
  });
}

function retypedColumns(context: HazardContext): readonly Found[] {
  return changesOf(context, "column-retyped").flatMap(({ table, column, to }): readonly Found[] => {
    const was = knownBefore(context, table.oid);
    const old = was && columnBefore(was, column);
    const left = leftBy(context, table.oid, column);
    // On its way to a type made anew of the same name it is text for a while.
    if (was === undefined || old === undefined || left?.type !== to.type || isSameToCode(old, to)) return [];
    return [
      {
        message: `${spoken(was)}.${old.name} turns from ${old.type} to ${to.type}`,
        severity: severityFor(context, was, "medium"),
      },
    ];
  });
}

const TEXTS = /^(?:text|character varying(?:\(\d+\))?|character\(\d+\))$/;

/** Another length or precision, or another of the text types, is the same to who reads and writes it. */
function isSameToCode(old: Column, to: Column): boolean {
  if (TEXTS.test(old.type) && TEXTS.test(to.type)) return true;
  return old.type.replace(/\([\d,]+\)/, "") === to.type.replace(/\([\d,]+\)/, "");
}

function droppedUniques(context: HazardContext): readonly Found[] {
  const { script, statement } = context;
  const { indexes, relations } = (script.statements.at(-1) ?? statement).facts;
  return changesOf(context, "index-dropped").flatMap(({ index, relation }): readonly Found[] => {
    const was = knownBefore(context, index.table);
    const isNew = !context.before.indexes.has(index.oid);
    const isReplaced = [...indexes.values()].some(
      (other) => other.unique && other.table === index.table && keyOf(other) === keyOf(index),
    );
    const table = relations.get(index.table);
    const lostKeys = index.keys.every((key) => isColumn(table, key));
    if (was === undefined || table === undefined || isNew || !index.unique || isReplaced || !lostKeys)
      return [];
    return [
      {
        message: `nothing keeps (${index.keys.join(", ")}) of ${spoken(was)} unique once ${relation.name} is dropped`,
        severity: severityFor(context, was, "medium"),
        safer: undefined,
      },
    ];
  });
}

function keyOf({ keys, predicate }: Index): string {
  return JSON.stringify([[...keys].sort(), predicate]);
}

/** With its columns an index goes too, and they are what is told. An expression counts as one that is still there. */
function isColumn(table: Relation | undefined, key: string): boolean {
  const name = key.replaceAll(/^"|"$/g, "");
  return /[( ]/.test(key) || table?.columns.some((column) => column.name === name) === true;
}
