import type { Column, Constraint, Index, Look, Relation, SchemaFacts, UserType } from "./facts.ts";

/** What a statement has done to a schema, seen in the catalog, whatever its text was. */
export type Change =
  | { readonly type: "relation-created" | "relation-dropped"; readonly relation: Relation }
  | { readonly type: "relation-renamed"; readonly relation: Relation; readonly to: Relation }
  | {
      readonly type: "column-added" | "column-dropped" | "not-null-set";
      readonly table: Relation;
      readonly column: Column;
    }
  | {
      readonly type: "column-renamed" | "column-retyped";
      readonly table: Relation;
      /** As it was. */
      readonly column: Column;
      readonly to: Column;
    }
  | {
      readonly type: "constraint-added" | "constraint-validated" | "constraint-dropped";
      readonly constraint: Constraint;
    }
  | { readonly type: "index-added" | "index-dropped"; readonly index: Index; readonly relation: Relation }
  | {
      readonly type: "label-added" | "label-removed";
      readonly userType: UserType;
      readonly label: string;
    };

/** What is different in `after`; relations are told as they were before, new ones as they are. */
export function changesBetween(before: SchemaFacts, after: SchemaFacts): readonly Change[] {
  return [
    ...relationChanges(before, after),
    ...columnChanges(before, after),
    ...constraintChanges(before, after),
    ...indexChanges(before, after),
    ...labelChanges(before, after),
  ];
}

/** Facts with what a look has told: what has changed is as it says, and what is not there any more was dropped. */
export function updateFacts(old: SchemaFacts, { facts, there }: Look): SchemaFacts {
  return {
    relations: merge(old.relations, facts.relations, there?.relations),
    constraints: merge(old.constraints, facts.constraints, there?.constraints),
    indexes: merge(old.indexes, facts.indexes, there?.indexes),
    types: facts.types,
  };
}

function merge<T>(
  old: ReadonlyMap<number, T>,
  seen: ReadonlyMap<number, T>,
  there: ReadonlySet<number> | undefined,
): ReadonlyMap<number, T> {
  if (there === undefined) return seen.size === 0 ? old : new Map([...old, ...seen]);
  return new Map([...old, ...seen].filter(([oid]) => there.has(oid)));
}

function* added<T>(before: ReadonlyMap<number, T>, after: ReadonlyMap<number, T>): Iterable<T> {
  for (const [oid, item] of after) if (!before.has(oid)) yield item;
}

/** Indexes and TOAST tables are told with their tables. */
function isOwned({ owner }: Relation): boolean {
  return owner !== null;
}

function relationChanges(before: SchemaFacts, after: SchemaFacts): readonly Change[] {
  const created = [...added(before.relations, after.relations)].filter((relation) => !isOwned(relation));
  const dropped = [...added(after.relations, before.relations)].filter((relation) => !isOwned(relation));
  const renamed = [...before.relations.values()].flatMap((relation) => {
    const to = after.relations.get(relation.oid);
    const isRenamed = to && !isOwned(to) && (to.name !== relation.name || to.schema !== relation.schema);
    return isRenamed ? [{ type: "relation-renamed", relation, to } as const] : [];
  });
  return [
    ...created.map((relation) => ({ type: "relation-created", relation }) as const),
    ...dropped.map((relation) => ({ type: "relation-dropped", relation }) as const),
    ...renamed,
  ];
}

function columnChanges(before: SchemaFacts, after: SchemaFacts): readonly Change[] {
  return [...before.relations.values()].flatMap((table) => {
    const to = after.relations.get(table.oid);
    if (to === undefined || to === table) return [];
    const old = new Map(table.columns.map((column) => [column.number, column]));
    const now = new Map(to.columns.map((column) => [column.number, column]));
    return [
      ...[...added(old, now)].map((column) => ({ type: "column-added", table, column }) as const),
      ...[...added(now, old)].map((column) => ({ type: "column-dropped", table, column }) as const),
      ...table.columns.flatMap((column) => changesOfColumn(table, column, now.get(column.number))),
    ];
  });
}

function changesOfColumn(table: Relation, column: Column, to: Column | undefined): readonly Change[] {
  if (to === undefined) return [];
  return [
    ...(to.name === column.name ? [] : [{ type: "column-renamed", table, column, to } as const]),
    ...(to.type === column.type && to.typeOid === column.typeOid
      ? []
      : [{ type: "column-retyped", table, column, to } as const]),
    ...(to.notNull && !column.notNull ? [{ type: "not-null-set", table, column: to } as const] : []),
  ];
}

function constraintChanges(before: SchemaFacts, after: SchemaFacts): readonly Change[] {
  const validated = [...after.constraints.values()].filter(
    ({ oid, validated }) => validated && before.constraints.get(oid)?.validated === false,
  );
  return [
    ...[...added(before.constraints, after.constraints)].map(
      (constraint) => ({ type: "constraint-added", constraint }) as const,
    ),
    ...validated.map((constraint) => ({ type: "constraint-validated", constraint }) as const),
    ...[...added(after.constraints, before.constraints)].map(
      (constraint) => ({ type: "constraint-dropped", constraint }) as const,
    ),
  ];
}

function indexChanges(before: SchemaFacts, after: SchemaFacts): readonly Change[] {
  const told =
    (type: "index-added" | "index-dropped", { relations }: SchemaFacts) =>
    (index: Index) => {
      const relation = relations.get(index.oid);
      return relation ? [{ type, index, relation } as const] : [];
    };
  const made = [...added(before.indexes, after.indexes)];
  const gone = [...added(after.indexes, before.indexes)];
  // REINDEX CONCURRENTLY puts another index in the place of each.
  const without = (some: readonly Index[], others: readonly Index[]) =>
    some.filter(({ definition }) => !others.some((other) => other.definition === definition));
  return [
    ...without(made, gone).flatMap(told("index-added", after)),
    ...without(gone, made).flatMap(told("index-dropped", before)),
  ];
}

function labelChanges(before: SchemaFacts, after: SchemaFacts): readonly Change[] {
  return [...after.types.values()].flatMap((userType) => {
    const old = before.types.get(userType.oid);
    if (old === undefined) return [];
    const lost = old.labels.filter((label) => !userType.labels.includes(label));
    const won = userType.labels.filter((label) => !old.labels.includes(label));
    return [
      ...won.map((label) => ({ type: "label-added", userType, label }) as const),
      ...lost.map((label) => ({ type: "label-removed", userType, label }) as const),
    ];
  });
}
