import type { Catalog } from "./catalog.ts";
import { type CompareOptions, counting } from "./compare.ts";
import { type Excerpt, loadPlanner } from "./delta.ts";
import { ownStatements, settingOf, withoutOwn } from "./remedy.ts";
import { rolesOf } from "./roles.ts";
import { isNeeded, plainStatement } from "./safe.ts";
import { eased } from "./tweaks.ts";

/** One statement on the way from one catalog to another. */
export interface PlannedStatement {
  readonly sql: string;
  /** Whether rows or values go away. */
  readonly losesData: boolean;
  /** Whether it writes a table anew. */
  readonly rewrites: boolean;
}

/**
 * The DDL that turns `from` into `to`, in the order in which it can be run in one transaction (but for new enum values
 * that the same transaction uses). Nothing where they are equal.
 */
export async function planBetween(
  from: Catalog,
  to: Catalog,
  { privileges = false }: CompareOptions = {},
): Promise<readonly PlannedStatement[]> {
  const planner = await loadPlanner();
  const before: Excerpt = counting(from, privileges);
  const after: Excerpt = counting(to, privileges);
  const setting = settingOf(before, after);
  const own = ownStatements(setting);
  const easy = eased(withoutOwn(before), withoutOwn(after), setting.before);
  const steps = planner(easy.before, easy.after, rolesOf(from, to)).filter((step) => isNeeded(step, setting));
  return [
    ...own.first,
    ...easy.first.map((sql) => ({ sql, losesData: false, rewrites: false })),
    ...steps.map((step) => plainStatement(step, setting)),
    ...own.last,
  ].map(({ sql, losesData, rewrites }) => ({ sql, losesData, rewrites }));
}
