import type { Session } from "../../database/session.ts";
import { askRows, type Check, tell } from "./check.ts";
import { type Asking, numbersIn } from "./moment.ts";
import type { Node } from "./syntax.ts";
import { originIn } from "./tables.ts";
import { showName } from "./words.ts";
import { findTable } from "./writes.ts";

/** What the rows of each partition of the copy have in common, as SQL, by its OID. */
export async function readBounds(copy: Session): Promise<ReadonlyMap<number, string>> {
  const rows = await copy.unsafe<readonly { readonly oid: number; readonly bounds: string | null }[]>(`
    select c.oid::bigint::float8 as oid, pg_catalog.pg_get_partition_constraintdef(c.oid) as bounds
    from pg_catalog.pg_class c where c.relispartition and c.relkind in ('r', 'p')`);
  return new Map(rows.flatMap(({ oid, bounds }) => (bounds === null ? [] : [[oid, bounds] as const])));
}

/** ATTACH PARTITION: which rows do not belong there. */
export const attachedPartition: Asking = (moment) =>
  moment.parts.flatMap(({ type, node }): readonly Check[] => {
    const commands = type === "AlterTableStmt" ? ((node.cmds ?? []) as readonly Node[]) : [];
    return commands.flatMap(({ AlterTableCmd: command }): readonly Check[] => {
      const { subtype, def } = command as Node;
      const partition = ((def as Node | undefined)?.PartitionCmd as Node | undefined)?.name as
        | Node
        | undefined;
      const table = subtype === "AT_AttachPartition" ? findTable(partition, moment.before) : undefined;
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
                one: "is outside of the partition's bounds",
                many: "are outside of the partition's bounds",
                none: "all are within the partition's bounds",
              },
            ),
        },
      ];
    });
  });
