import { loadModule, parseSync, scanSync } from "libpg-query";
import type { Relation, SchemaFacts } from "../facts.ts";
import type { HazardContext } from "./hazard.ts";

export type CommandNode = HazardContext["nodes"][number];

/** A relation's name as somebody wrote it. */
export interface WrittenName {
  readonly schema: string | undefined;
  readonly name: string;
}

/** A token of PostgreSQL's scanner, its place in bytes of UTF-8. */
export interface Token {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly tokenName: string;
}

/** Has to be waited for once, before anything else of this file is called. */
export function loadParser(): Promise<void> {
  return loadModule();
}

/** None for text that PostgreSQL's parser does not know: the server says what is wrong with it. */
export function nodesOf(sql: string): readonly CommandNode[] {
  try {
    const { stmts = [] } = parseSync(sql) as unknown as { stmts?: readonly { readonly stmt: object }[] };
    return stmts.flatMap(({ stmt }) =>
      Object.entries(stmt).map(([type, node]) => ({ type, node: node as CommandNode["node"] })),
    );
  } catch {
    return [];
  }
}

/** None for text that cannot be divided into tokens: a quote that is never closed. */
export function tokensOf(sql: string): readonly Token[] {
  try {
    return scanSync(sql).tokens;
  } catch {
    return [];
  }
}

/** Every object in a parsed command, wherever it stands. */
export function* objectsIn(node: unknown): Iterable<Readonly<Record<string, unknown>>> {
  if (node === null || typeof node !== "object") return;
  if (!Array.isArray(node)) yield node as Readonly<Record<string, unknown>>;
  for (const part of Object.values(node)) yield* objectsIn(part);
}

/** Relations that a command names, wherever in it. */
export function namesIn({ type, node }: CommandNode): readonly WrittenName[] {
  const written = [...objectsIn(node)].flatMap(({ relname, schemaname }) =>
    typeof relname === "string" ? [{ schema: textOf(schemaname), name: relname }] : [],
  );
  return type === "DropStmt" ? [...written, ...droppedNames(node)] : written;
}

function droppedNames({ objects = [] }: CommandNode["node"]): readonly WrittenName[] {
  return (objects as readonly unknown[]).flatMap((object) => {
    const parts = [...objectsIn(object)].flatMap(({ sval }) => textOf(sval) ?? []);
    const name = parts.at(-1);
    return name === undefined ? [] : [{ schema: parts.at(-2), name }];
  });
}

/** What a name means. Without a schema it is the one of `public`, which nearly every search_path has, or else the first. */
export function relationNamed(facts: SchemaFacts, { schema, name }: WrittenName): Relation | undefined {
  const meant = schema ?? "public";
  let found: Relation | undefined;
  for (const relation of facts.relations.values()) {
    if (relation.name !== name) continue;
    if (relation.schema === meant) return relation;
    found ??= relation;
  }
  return schema === undefined ? found : undefined;
}

/** The table that a command is about, in the field that most have for it. */
export function tableOf(facts: SchemaFacts, { relation }: CommandNode["node"]): Relation | undefined {
  const { relname, schemaname } = relation as { readonly relname: string; readonly schemaname?: string };
  return relationNamed(facts, { schema: schemaname, name: relname });
}

const named = new WeakMap<HazardContext, readonly Relation[]>();

/** Relations of before the plan that a statement names; an index stands for its table. */
export function relationsNamedBy(context: HazardContext): readonly Relation[] {
  const known = named.get(context) ?? findNamed(context);
  named.set(context, known);
  return known;
}

function findNamed({ nodes, facts, before }: HazardContext): readonly Relation[] {
  const oids = nodes.flatMap(namesIn).flatMap((name) => {
    const relation = relationNamed(facts, name);
    return relation === undefined ? [] : [relation.owner ?? relation.oid];
  });
  return [...new Set(oids)].flatMap((oid) => before.relations.get(oid) ?? []);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
