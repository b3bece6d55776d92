// The one file that knows @supabase/pg-delta, an alpha; on this side of it there are only types of ours. It is loaded when
// it is needed: `migrate`, `status` and `rollback` never do.
import type { DependencyEdge, Fact } from "@supabase/pg-delta/core";
import type { Action } from "@supabase/pg-delta/plan";
import { type CatalogObject, type Dependency, keyOf, type ObjectId, type Properties } from "./catalog.ts";

/** The queries of pg-delta, answered by whoever has the connection. */
export interface Answers {
  /** Statements that answer nothing (BEGIN, SET LOCAL) come here too. */
  query(sql: string): Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }>;
}

/** A schema as pg-delta sees it. */
export interface Extracted {
  readonly objects: readonly CatalogObject[];
  readonly dependencies: readonly Dependency[];
  /** Keys of objects that an extension brought along. */
  readonly members: ReadonlySet<string>;
  /** Objects of kinds that pg-delta does not read: kind, how many, some of their names. */
  readonly unread: readonly { readonly kind: string; readonly count: number; readonly samples: Properties }[];
}

/** @throws whatever `answers` throws */
export async function extractWith(answers: Answers): Promise<Extracted> {
  const { extract } = await import("@supabase/pg-delta/extract");
  const client = { query: (sql: string) => answers.query(sql), release: () => {} };
  const { factBase, diagnostics } = await extract({ connect: async () => client } as unknown as Parameters<
    typeof extract
  >[0]);
  const edges = factBase.edges;
  return {
    objects: factBase.facts().map(objectOf),
    dependencies: edges
      .filter(({ kind, to }) => kind === "depends" && to.kind !== "role")
      .map(({ from, to }) => [keyOf(from as ObjectId), keyOf(to as ObjectId)] as const),
    members: new Set(
      edges.filter(({ kind }) => kind === "memberOfExtension").map(({ from }) => keyOf(from as ObjectId)),
    ),
    unread: diagnostics
      .filter(({ code }) => code === "unmodeled_kind")
      .map(({ context }) => context as unknown as Extracted["unread"][number]),
  };
}

function objectOf({ id, parent, payload }: Fact): CatalogObject {
  return {
    key: keyOf(id as ObjectId),
    id: id as ObjectId,
    parent: parent === undefined ? null : keyOf(parent as ObjectId),
    properties: payload as Properties,
  };
}

/** Part of a catalog: what a plan is made of. */
export interface Excerpt {
  readonly objects: readonly CatalogObject[];
  readonly dependencies: readonly Dependency[];
}

/** One statement of a plan. */
export interface Step {
  readonly sql: string;
  readonly verb: "create" | "alter" | "drop";
  /** Keys of what comes into being, of what goes away, and of what is altered or needed. */
  readonly produces: readonly string[];
  readonly destroys: readonly string[];
  readonly consumes: readonly string[];
  readonly losesData: boolean;
  readonly rewrites: boolean;
}

/** Ordered DDL from one state of a schema to another. */
export type Planner = (from: Excerpt, to: Excerpt, roles: readonly string[]) => readonly Step[];

export async function loadPlanner(): Promise<Planner> {
  const [{ plan }, { buildFactBase }] = await Promise.all([
    import("@supabase/pg-delta/plan"),
    import("@supabase/pg-delta/core"),
  ]);
  const baseOf = ({ objects, dependencies }: Excerpt) => {
    const ids = new Map(objects.map(({ key, id }) => [key, id as unknown as Fact["id"]]));
    const facts = objects.map(({ id, parent, properties }) => {
      const parentId = parent === null ? undefined : ids.get(parent);
      const fact = { id: id as unknown as Fact["id"], payload: properties as Fact["payload"] };
      return parentId === undefined ? fact : { ...fact, parent: parentId };
    });
    const edges = dependencies.flatMap(([from, to]): readonly DependencyEdge[] => {
      const ends = { from: ids.get(from), to: ids.get(to) };
      return ends.from && ends.to ? [{ from: ends.from, to: ends.to, kind: "depends" }] : [];
    });
    return buildFactBase(facts, edges);
  };
  return (from, to, roles) =>
    plan(baseOf(from), baseOf(to), { assumedRoles: [...roles] }).actions.map(stepOf);
}

function stepOf(action: Action): Step {
  const keys = (ids: Action["produces"]) => ids.map((id) => keyOf(id as ObjectId));
  return {
    sql: action.sql,
    verb: action.verb,
    produces: keys(action.produces),
    destroys: keys(action.destroys),
    consumes: keys(action.consumes),
    losesData: action.dataLoss === "destructive",
    rewrites: action.rewriteRisk,
  };
}
