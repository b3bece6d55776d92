import type { Session } from "../database/session.ts";
import type { Relation } from "./facts.ts";
import type { Observation } from "./observe.ts";
import { type Occupant, type RelationWeight, readOccupants, readWeights } from "./weigh.ts";

/** What the database itself says to a plan. */
export interface Target {
  /** By the copy's OID. */
  readonly weights: ReadonlyMap<number, RelationWeight>;
  readonly occupants: readonly Occupant[];
  /** Indexes that an interrupted build has left: `public.users_email_idx`. */
  readonly invalidIndexes: ReadonlySet<string>;
}

/** Reads of the target's catalog and statistics what the plan touches, and nothing else. */
export async function readTarget(session: Session, observation: Observation): Promise<Target> {
  const relations = touchedBy(observation);
  // First who is there now: a wait for one of them would see him gone.
  const occupants = await readOccupants(session, relations);
  const weights = await readWeights(session, relations);
  const invalid = await session.unsafe<{ name: string }[]>(INVALID_INDEXES);
  return {
    weights,
    occupants,
    invalidIndexes: new Set(invalid.map(({ name }) => name)),
  };
}

function touchedBy({ scripts }: Observation): readonly Relation[] {
  const locks = scripts.flatMap(({ statements }) => statements.flatMap((statement) => statement.locks));
  return [...new Map(locks.map(({ relation }) => [relation.oid, relation])).values()];
}

const INVALID_INDEXES = `
  select n.nspname || '.' || c.relname as name from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where not i.indisvalid and c.relkind = 'i'`;
