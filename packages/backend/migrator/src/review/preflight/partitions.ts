import type { Session } from "../../database/session.ts";
import type { Relation } from "../facts.ts";
import { askRows, type Check, tell } from "./check.ts";
import { type Asking, type Moment, numbersIn } from "./moment.ts";
import type { Node } from "./syntax.ts";
import { originIn } from "./tables.ts";
import { showName } from "./words.ts";
import { findTable } from "./writes.ts";

/** The partitions of a copy, as its plan leaves them. */
export interface Partitions {
  /** What the rows of each have in common, as SQL, by its OID. */
  readonly bounds: ReadonlyMap<number, string>;
  /** The partition for all that fits nowhere else, by the partitioned table's OID. */
  readonly defaults: ReadonlyMap<number, number>;
}

export async function readPartitions(copy: Session): Promise<Partitions> {
  const rows = await copy.unsafe<
    readonly { readonly oid: number; readonly bounds: string | null; readonly parent: number | null }[]
  >(`
    select c.oid::bigint::float8 as oid, pg_catalog.pg_get_partition_constraintdef(c.oid) as bounds,
      (select p.partrelid::bigint::float8 from pg_catalog.pg_partitioned_table p where p.partdefid = c.oid) as parent
    from pg_catalog.pg_class c where c.relispartition and c.relkind in ('r', 'p')`);
  return {
    bounds: new Map(rows.flatMap(({ oid, bounds }) => (bounds === null ? [] : [[oid, bounds] as const]))),
    defaults: new Map(rows.flatMap(({ oid, parent }) => (parent === null ? [] : [[parent, oid] as const]))),
  };
}

/** A new partition: rows of the attached table that do not belong there, and those of the default partition that now do. */
export const newPartition: Asking = (moment) =>
  moment.parts.flatMap(({ type, node }): readonly Check[] => {
    if (type === "CreateStmt") {
      const [parent] = node.partbound ? ((node.inhRelations ?? []) as readonly Node[]) : [];
      return withDefault(moment, parent?.RangeVar as Node | undefined);
    }
    const commands = type === "AlterTableStmt" ? ((node.cmds ?? []) as readonly Node[]) : [];
    return commands.flatMap(({ AlterTableCmd: command }): readonly Check[] => {
      const { subtype, def } = command as Node;
      if (subtype !== "AT_AttachPartition") return [];
      const partition = ((def as Node).PartitionCmd as Node).name as Node | undefined;
      return [
        ...within(moment, findTable(partition, moment.before), "of the partition's bounds"),
        ...withDefault(moment, node.relation as Node | undefined),
      ];
    });
  });

function withDefault(moment: Moment, parent: Node | undefined): readonly Check[] {
  const table = findTable(parent, moment.before);
  const rest = table && moment.defaultOf(table.oid);
  return within(
    moment,
    rest === undefined ? undefined : moment.before.relations.get(rest),
    "of what is left to the default partition",
  );
}

function within(moment: Moment, table: Relation | undefined, bound: string): readonly Check[] {
  const state = table && moment.stateAfter(table.oid);
  const bounds = table && moment.boundsOf(table.oid);
  if (table === undefined || state === undefined || bounds === undefined) return [];
  return [
    {
      check: "partition",
      object: showName(state.target),
      ...originIn(state, bounds),
      writtenBy: moment.writerOf(table.oid, numbersIn(state.now, bounds)),
      ask: async (looker) =>
        tell(
          await askRows(looker, {
            state,
            condition: `not (${bounds})`,
            percent: moment.percentOf(table.oid),
          }),
          {
            bad: "fails",
            one: `is outside ${bound}`,
            many: `are outside ${bound}`,
            none: `all are within ${bound.slice(3)}`,
          },
        ),
    },
  ];
}
