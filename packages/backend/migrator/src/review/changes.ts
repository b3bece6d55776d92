import type { Column, Constraint, Index, Look, Relation, SchemaFacts, UserType } from "./facts.ts";
import { Overlay } from "./overlay.ts";

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
  const relations = differing(before.relations, after.relations);
  return [
    ...relationChanges(...relations),
    ...columnChanges(...relations),
    ...constraintChanges(...differing(before.constraints, after.constraints)),
    ...indexChanges(before, after),
    ...labelChanges(before, after),
  ];
}

type Items<T> = ReadonlyMap<number, T>;

/** Both without what is the very same object in them: of a large schema a statement touches little. */
function differing<T extends object>(before: Items<T>, after: Items<T>): readonly [Items<T>, Items<T>] {
  const old = new Map<number, T>();
  const now = new Map<number, T>();
  for (const oid of Overlay.differing(before, after)) {
    const was = before.get(oid);
    const is = after.get(oid);
    if (was === is) continue;
    if (was) old.set(oid, was);
    if (is) now.set(oid, is);
  }
  return [old, now];
}

/** The relations that are not as they were, as they are. */
export function changedRelations(before: SchemaFacts, after: SchemaFacts): readonly Relation[] {
  const [, now] = differing(before.relations, after.relations);
  return [...now.values()];
}

/** Facts with what a look has told: what has changed is as it says, and what is not there any more was dropped. */
export function updateFacts(old: SchemaFacts, { facts, rest }: Look): SchemaFacts {
  if (rest === undefined) return facts;
  const { gone, locked } = rest;
  const lost: number[] = [];
  for (const { oid, table, domain } of old.constraints.values()) {
    const isTold = domain !== 0 || locked.has(table) || gone.has(table);
    if (isTold && !rest.constraints.has(oid)) lost.push(oid);
  }
  return {
    relations: Overlay.on(old.relations, facts.relations, gone),
    constraints: Overlay.on(old.constraints, facts.constraints, lost),
    indexes: Overlay.on(old.indexes, facts.indexes, gone),
    types: facts.types,
  };
}

function* added<T>(before: Items<T>, after: Items<T>): Iterable<T> {
  for (const [oid, item] of after) if (!before.has(oid)) yield item;
}

/** Indexes and TOAST tables are told with their tables. */
function isOwned({ owner }: Relation): boolean {
  return owner !== null;
}

function relationChanges(before: Items<Relation>, after: Items<Relation>): readonly Change[] {
  const created = [...added(before, after)].filter((relation) => !isOwned(relation));
  const dropped = [...added(after, before)].filter((relation) => !isOwned(relation));
  const renamed = [...before.values()].flatMap((relation) => {
    const to = after.get(relation.oid);
    const isRenamed = to && !isOwned(to) && (to.name !== relation.name || to.schema !== relation.schema);
    return isRenamed ? [{ type: "relation-renamed", relation, to } as const] : [];
  });
  return [
    ...created.map((relation) => ({ type: "relation-created", relation }) as const),
    ...dropped.map((relation) => ({ type: "relation-dropped", relation }) as const),
    ...renamed,
  ];
}

function columnChanges(before: Items<Relation>, after: Items<Relation>): readonly Change[] {
  return [...before.values()].flatMap((table) => {
    const to = after.get(table.oid);
    if (to === undefined) return [];
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

function constraintChanges(before: Items<Constraint>, after: Items<Constraint>): readonly Change[] {
  const validated = [...after.values()].filter(
    ({ oid, validated }) => validated && before.get(oid)?.validated === false,
  );
  return [
    ...[...added(before, after)].map((constraint) => ({ type: "constraint-added", constraint }) as const),
    ...validated.map((constraint) => ({ type: "constraint-validated", constraint }) as const),
    ...[...added(after, before)].map((constraint) => ({ type: "constraint-dropped", constraint }) as const),
  ];
}

function indexChanges(before: SchemaFacts, after: SchemaFacts): readonly Change[] {
  const told =
    (type: "index-added" | "index-dropped", { relations }: SchemaFacts) =>
    (index: Index) => {
      const relation = relations.get(index.oid);
      return relation ? [{ type, index, relation } as const] : [];
    };
  const [old, now] = differing(before.indexes, after.indexes);
  const made = [...added(old, now)];
  const gone = [...added(now, old)];
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
