import { type CatalogObject, isEqual } from "./catalog.ts";
import type { Excerpt, Planner } from "./delta.ts";
import type { Finding } from "./find.ts";
import { OWN_KINDS } from "./own.ts";
import { ownSql } from "./own-sql.ts";
import { inSafeForm, isNeeded, type Setting } from "./safe.ts";
import type { Statement } from "./safe-forms.ts";
import { startSql, withSequenceName } from "./sequence-start.ts";
import { addObject, excerpt, removeObject, type State, subtree, surroundings } from "./state.ts";
import { eased, inheritanceSql, partitionSql, promotionSql } from "./tweaks.ts";

/** What puts one difference right. */
export interface Remedy {
  /** To be run one by one, outside of a transaction; none where nobody here knows any. */
  readonly sql: readonly string[];
  /** Whether others can use the tables meanwhile: nothing is rewritten, and no strong lock is held for long. */
  readonly safe: boolean;
  /** Whether rows or values go away. */
  readonly losesData: boolean;
  /** Why there is no SQL. */
  readonly reason?: string;
}

/** How the planner is used. */
export interface Planning {
  readonly planner: Planner;
  /** Roles that are taken to be there. */
  readonly roles: readonly string[];
}

/** Puts a finding right in `work`, which becomes what the database is afterwards. */
export function remedyFor(finding: Finding, expected: State, work: State, planning: Planning): Remedy {
  const { before: start, after, old } = advance(finding.keys, expected, work);
  const moves = partitionSql(finding.actual, finding.expected);
  // The table is looked through under a lock of its own.
  if (moves.length > 0) return { sql: moves, safe: false, losesData: false };
  const promotion = promotionSql(finding.actual, finding.expected);
  if (promotion.length > 0) return { sql: promotion, safe: true, losesData: false };
  const handing = inheritanceSql(finding.actual, finding.expected);
  const before = handing.length > 0 ? handed(start, after, finding) : start;
  try {
    const planned = statementsFor(before, after, old, work, planning);
    const statements = [...handing.map(quick), ...planned];
    if (statements.length === 0) return { ...NONE, reason: "no statement is known that does it" };
    return {
      // What two changes need is planned once for each.
      sql: statements.map(({ sql }) => sql).filter((sql, index, all) => sql !== all[index - 1]),
      safe: statements.every(({ safe }) => safe),
      losesData: statements.some(({ losesData }) => losesData),
    };
  } catch {
    // What the planner throws speaks of its own inside.
    return { ...NONE, reason: NO_PLAN };
  }
}

/** What is there once a table has its parent: all but the rest of its own properties. */
function handed(before: Excerpt, after: Excerpt, { keys, expected }: Finding): Excerpt {
  const changed = new Set(keys);
  const isParted = ({ key }: CatalogObject) => changed.has(key) && key !== expected?.key;
  const parentTable = expected?.properties.parentTable ?? null;
  const kept = before.objects
    .filter((object) => !isParted(object))
    .map((object) =>
      object.key === expected?.key
        ? { ...object, properties: { ...object.properties, parentTable } }
        : object,
    );
  return { ...before, objects: [...kept, ...after.objects.filter(isParted)] };
}

const NO_PLAN =
  "nothing changes it while other things need it: drop those, put it right, make them again, and check again";

const NONE: Remedy = { sql: [], safe: false, losesData: false };

interface Advance {
  readonly before: Excerpt;
  readonly after: Excerpt;
  /** The named objects as they were. */
  readonly old: ReadonlyMap<string, CatalogObject>;
}

/** Takes the named objects over from `expected`. */
function advance(keys: readonly string[], expected: State, work: State): Advance {
  const around = surroundings(work, keys);
  const saved = excerpt(work, new Set(keys));
  for (const key of keys) {
    const object = expected.objects.get(key);
    if (object) addObject(work, object, expected.needs.get(key) ?? []);
    else removeObject(work, key);
  }
  const involved = new Set([...around, ...surroundings(work, keys)]);
  const after = excerpt(work, involved);
  const changed = new Set(keys);
  const same = excerpt(work, new Set([...involved].filter((key) => !changed.has(key))));
  const before = {
    objects: [...same.objects, ...saved.objects],
    dependencies: [...same.dependencies, ...saved.dependencies],
  };
  return { before, after, old: new Map(saved.objects.map((object) => [object.key, object])) };
}

function statementsFor(
  before: Excerpt,
  after: Excerpt,
  old: ReadonlyMap<string, CatalogObject>,
  work: State,
  { planner, roles }: Planning,
): readonly Statement[] {
  const setting = settingOf(before, after);
  const own = ownStatements(setting);
  const easy = eased(withoutOwn(before), withoutOwn(after), old);
  const steps = planner(easy.before, easy.after, roles)
    .filter((step) => isNeeded(step, setting))
    .map((step) => withSequenceName(step, setting));
  const rebuilt = new Set(steps.flatMap(({ destroys }) => destroys).filter((key) => setting.after.has(key)));
  const lost = [...rebuilt]
    .flatMap((key) => subtree(work, key))
    .flatMap((key) => work.objects.get(key) ?? [])
    .filter(({ key, id }) => OWN_KINDS.has(id.kind) && setting.before.has(key));
  return [
    ...own.first,
    ...easy.first.map(quick),
    ...steps.flatMap((step) => [...inSafeForm(step, setting), ...startSql(step, setting).map(quick)]),
    ...lost.flatMap((object) => ownSql(undefined, object)).map(quick),
    ...own.last,
  ];
}

/** Two states by key. */
export function settingOf(before: Excerpt, after: Excerpt): Setting {
  const was = new Map(before.objects.map((object) => [object.key, object]));
  const is = new Map(after.objects.map((object) => [object.key, object]));
  return { before: was, after: is, made: new Set([...is.keys()].filter((key) => !was.has(key))) };
}

/** What pg-delta understands. */
export function withoutOwn({ objects, dependencies }: Excerpt): Excerpt {
  return { objects: objects.filter(({ id }) => !OWN_KINDS.has(id.kind)), dependencies };
}

/** What goes away is taken away first, what comes or changes is made last. Of a dropped table nothing is left to do. */
export function ownStatements({ before, after }: Setting): {
  readonly first: readonly Statement[];
  readonly last: readonly Statement[];
} {
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  const pairs = keys
    .map((key) => ({ was: before.get(key), is: after.get(key) }))
    .filter(
      ({ was, is }) =>
        OWN_KINDS.has((was ?? is)?.id.kind ?? "") && !(was && is && isEqual(was.properties, is.properties)),
    );
  const parentStays = (object: CatalogObject) => object.parent === null || after.has(object.parent);
  const first = pairs.flatMap(({ was, is }) =>
    was && !is && parentStays(was) ? ownSql(was, undefined) : [],
  );
  const last = pairs.flatMap(({ was, is }) => (is ? ownSql(was, is) : []));
  return { first: first.map(quick), last: last.map(quick) };
}

function quick(sql: string): Statement {
  // Only a new access method writes the table anew.
  const rewrites = sql.includes(" SET ACCESS METHOD ");
  return { sql, safe: !rewrites, losesData: false, rewrites };
}
