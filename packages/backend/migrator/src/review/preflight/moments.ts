import type { Change } from "../changes.ts";
import type { SchemaFacts } from "../facts.ts";
import { compareModes } from "../locks.ts";
import type { Observation } from "../observe.ts";
import type { ObservedScript, ObservedStatement } from "../observed.ts";
import { conversionsOf } from "./casts.ts";
import { type Moment, usingKey } from "./moment.ts";
import type { Partitions } from "./partitions.ts";
import { type Part, partsOf } from "./syntax.ts";
import { stateAfter, stateBefore, type TableState } from "./tables.ts";
import type { TargetFacts } from "./target.ts";
import { changesOfText } from "./text-changes.ts";
import type { Types } from "./types.ts";
import { findTable, type Write, writesOf } from "./writes.ts";

/** What all moments of a plan share. */
export interface Scene {
  readonly types: Types;
  readonly target: TargetFacts;
  readonly partitions: Partitions;
  /** Tables of more rows are looked at in part. */
  readonly sampleAboveRows: number;
}

/** Rows that a sample is to have. */
const SAMPLE_ROWS = 200_000;

/** A write with the statement that does it. */
interface PlacedWrite extends Write {
  readonly statement: string;
  /** Of the columns that it sets, by what is known of the table then; undefined for whole rows. */
  readonly numbers: readonly number[] | undefined;
}

/** Goes through a plan, and tells of each statement what is known when it comes to run. */
export async function momentsOf(
  { before: start, scripts, copy }: Observation,
  scene: Scene,
): Promise<readonly Moment[]> {
  let before = start;
  let states: ReadonlyMap<number, TableState> = new Map();
  let writes: readonly PlacedWrite[] = [];
  const moments: Moment[] = [];
  for (const script of scripts) {
    for (const [index, statement] of script.statements.entries()) {
      const parts = await partsOf(statement.sql);
      const known = new Known(start, states, statement.facts);
      const name = nameOf(script, statement);
      const usings = usingsOf(parts, before);
      const seen = statement.failure ? await changesOfText(copy.sql, parts, before) : statement.changes;
      const changes = withoutParts(seen, statement.facts, scene.target);
      const after = known.after({ types: scene.types, changes: statement.changes, statement: name, usings });
      moments.push({
        statement,
        name,
        parts,
        before,
        after: statement.facts,
        changes,
        types: scene.types,
        usings,
        origin: (table) => known.origin(table),
        stateBefore: (table) => known.state(table),
        stateAfter: (table) => after.get(table) ?? known.state(table),
        percentOf: (table) => percentOf(scene, table),
        rowsOf: scene.target.rowsOf,
        boundsOf: (table) => scene.partitions.bounds.get(table),
        defaultOf: (table) => scene.partitions.defaults.get(table),
        writerOf: writerAmong(writes, scene.target),
        fillerOf: fillerAmong(writes),
      });
      const own = writesOf(statement, parts, before, heldAt(script.statements.slice(0, index), statement));
      writes = [...writes, ...own.map((write) => placed(write, before, name))];
      states = after;
      before = statement.facts;
    }
  }
  return moments;
}

function nameOf({ script }: ObservedScript, { number }: ObservedStatement): string {
  return `${script.fileName}, statement ${number}`;
}

/** Tables that a statement's transaction already holds more strongly than for writing to their rows. */
function heldAt(
  earlier: readonly ObservedStatement[],
  { transaction, alone }: ObservedStatement,
): ReadonlySet<number> {
  const same = earlier.filter((one) => one.transaction === transaction && !one.alone && !alone);
  const locks = same.flatMap((one) => one.locks);
  const strong = locks.filter(({ mode }) => compareModes(mode, "ROW EXCLUSIVE") > 0);
  return new Set(strong.map(({ relation }) => relation.oid));
}

/** The target's tables as far as they were asked for. */
class Known {
  readonly #start: SchemaFacts;
  readonly #states: ReadonlyMap<number, TableState>;
  readonly #now: SchemaFacts;

  constructor(start: SchemaFacts, states: ReadonlyMap<number, TableState>, now: SchemaFacts) {
    this.#start = start;
    this.#states = states;
    this.#now = now;
  }

  origin(table: number): TableState | undefined {
    const target = this.#start.relations.get(table);
    const isTable = target !== undefined && ["r", "p", "m"].includes(target.kind);
    return isTable ? stateBefore(target, this.#start) : undefined;
  }

  state(table: number): TableState | undefined {
    return this.#states.get(table) ?? this.origin(table);
  }

  /** States with what a statement does to tables. */
  after(step: Parameters<typeof stateAfter>[2]): ReadonlyMap<number, TableState> {
    const touched = new Set(
      step.changes.flatMap((change) =>
        "table" in change
          ? [change.table.oid]
          : change.type === "relation-renamed"
            ? [change.relation.oid]
            : [],
      ),
    );
    const next = [...touched].flatMap((table) => {
      const state = this.state(table);
      const now = this.#now.relations.get(table);
      return state && now ? [[table, stateAfter(state, now, ownUsings(step, table))] as const] : [];
    });
    return new Map([...this.#states, ...next]);
  }
}

function ownUsings(step: Parameters<typeof stateAfter>[2], table: number): Parameters<typeof stateAfter>[2] {
  const prefix = `${table} `;
  const own = [...step.usings].flatMap(([key, using]) =>
    key.startsWith(prefix) ? [[key.slice(prefix.length), using] as const] : [],
  );
  return { ...step, usings: new Map(own) };
}

function usingsOf(parts: readonly Part[], facts: SchemaFacts): ReadonlyMap<string, string> {
  const usings = parts.flatMap((part) => {
    const table = findTable(part.node.relation as Parameters<typeof findTable>[0], facts);
    if (table === undefined) return [];
    return conversionsOf(part).flatMap(({ column, using }) =>
      using === undefined ? [] : [[usingKey(table, column), using] as const],
    );
  });
  return new Map(usings);
}

/** A statement on a table is also one on its parts: the rows of those are asked with it. */
function withoutParts(
  changes: readonly Change[],
  { relations }: SchemaFacts,
  { ancestorsOf }: TargetFacts,
): readonly Change[] {
  const told = new Set(changes.map((change) => `${change.type} ${tableOf(change)}`));
  const first = new Set<string>();
  return changes.filter((change) => {
    const table = tableOf(change);
    if (ancestorsOf(table).some((ancestor) => told.has(`${change.type} ${ancestor}`))) return false;
    if (change.type !== "constraint-added" || change.constraint.type !== "f") return true;
    // A key to a partitioned table is one to each of its partitions too: the first is the one that was asked for.
    const key = `${table} ${change.constraint.columns} ${rootOf(change.constraint.referenced, ancestorsOf)}`;
    if (relations.get(change.constraint.referenced)?.kind === "p" || !first.has(key)) {
      first.add(key);
      return true;
    }
    return false;
  });
}

function rootOf(table: number, ancestorsOf: (table: number) => readonly number[]): number {
  return ancestorsOf(table).at(-1) ?? table;
}

function tableOf(change: Change): number {
  if ("table" in change) return change.table.oid;
  if ("constraint" in change) return change.constraint.table;
  if ("index" in change) return change.index.table;
  return "relation" in change ? change.relation.oid : 0;
}

function percentOf({ target, sampleAboveRows }: Scene, table: number): number | undefined {
  const rows = target.rowsOf(table);
  if (rows <= sampleAboveRows) return undefined;
  return Math.max(1, Math.round((100 * Math.min(SAMPLE_ROWS, sampleAboveRows)) / rows));
}

function placed(write: Write, { relations }: SchemaFacts, statement: string): PlacedWrite {
  const columns = relations.get(write.table)?.columns ?? [];
  const numbers =
    write.columns && columns.filter(({ name }) => write.columns?.has(name)).map(({ number }) => number);
  return { ...write, statement, numbers };
}

function fillerAmong(writes: readonly PlacedWrite[]): Moment["fillerOf"] {
  return (table) => writes.findLast((write) => write.table === table && write.ofRows)?.statement;
}

function writerAmong(writes: readonly PlacedWrite[], { ancestorsOf }: TargetFacts): Moment["writerOf"] {
  return (table, columns) => {
    const related = (other: number) =>
      other === table || ancestorsOf(other).includes(table) || ancestorsOf(table).includes(other);
    const meets = ({ numbers }: PlacedWrite) =>
      numbers === undefined || columns === undefined || columns.some((number) => numbers.includes(number));
    return writes.findLast((write) => related(write.table) && meets(write))?.statement;
  };
}
