import type { LedgerName } from "../config.ts";
import type { Database } from "../database/connect.ts";
import { type Sessions, withAnswers, withSessions } from "./answers.ts";
import { byText, type Catalog, type CatalogObject, keyOf } from "./catalog.ts";
import { type Extracted, extractWith } from "./delta.ts";
import { impliedNeeds } from "./implied.ts";
import { readMerged } from "./inherited.ts";
import { isTelling, normalized } from "./normalize.ts";
import { readOwn } from "./own.ts";
import { type Scope, scoped } from "./scope.ts";
import { withNewerViews } from "./view-text.ts";

/** Which part of a database is read. */
export interface CatalogOptions {
  /** Only these schemas; all but PostgreSQL's own where none are named. */
  readonly schemas?: readonly string[] | undefined;
  readonly ignoreSchemas?: readonly string[] | undefined;
  /** Drizzle's ledger, which does not count, and neither does the run log beside it. */
  readonly ledger?: LedgerName | undefined;
}

const DRIZZLE_LEDGER: LedgerName = { schema: "drizzle", table: "__drizzle_migrations" };

/** Reads a database that may have changed since. */
export type CatalogReader = () => Promise<Catalog>;

/**
 * Reads the schema of a database as it is at one moment, through two read-only sessions of its own.
 * @throws MigratorError for a server that cannot be reached
 */
export async function readCatalog(database: Database, options: CatalogOptions = {}): Promise<Catalog> {
  return withCatalogReader(database, (read) => read(), options);
}

/** Keeps the two sessions for the length of `work`: for whoever reads one database again and again. */
export async function withCatalogReader<T>(
  database: Database,
  work: (read: CatalogReader) => Promise<T>,
  options: CatalogOptions = {},
): Promise<T> {
  return withSessions(database, (sessions) => work(() => readOnce(sessions, options)));
}

async function readOnce(sessions: Sessions, options: CatalogOptions): Promise<Catalog> {
  const { extracted, own, merged, major } = await withAnswers(sessions, async ({ first, again, ask }) => {
    await extractWith(first);
    const reading = [extractWith(again), readOwn(ask), readMerged(ask), ask(VERSION)] as const;
    const [extracted, own, merged, version] = await Promise.all(reading);
    return { extracted, own, merged, major: Number(version[0]?.major) };
  });
  const hidden = new Set([...extracted.members, ...merged]);
  const known = new Set(extracted.objects.map(({ key }) => key));
  for (const key of merged) known.delete(key);
  const objects = [...extracted.objects, ...own(known), ...extracted.unread.flatMap(unreadObject)];
  const scope: Scope = { ...options, ledger: options.ledger ?? DRIZZLE_LEDGER };
  const counting = scoped(objects.filter(isTelling), hidden, scope);
  const newer = major < 16 ? await withNewerViews(counting) : counting;
  return catalogOf(newer.map(normalized), extracted);
}

const VERSION = "select current_setting('server_version_num')::int / 10000 as major";

/** Kinds that nobody here can read are at least counted. Statistics objects are read by `own.ts`; parameters are the server's. */
function unreadObject({ kind, count, samples }: Extracted["unread"][number]): readonly CatalogObject[] {
  if (kind === "statistics object" || kind === "parameter ACL") return [];
  const id = { kind: "other", name: kind };
  return [{ key: keyOf(id), id, parent: null, properties: { count, samples } }];
}

function catalogOf(objects: readonly CatalogObject[], { dependencies }: Extracted): Catalog {
  const keys = new Set(objects.map(({ key }) => key));
  return {
    format: 1,
    objects: [...objects].sort((a, b) => byText(a.key, b.key)),
    dependencies: [...dependencies, ...impliedNeeds(objects)]
      // Before 16, a view needs itself.
      .filter(([from, to]) => from !== to && keys.has(from) && keys.has(to))
      .sort((a, b) => byText(a[0], b[0]) || byText(a[1], b[1])),
  };
}
