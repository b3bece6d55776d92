import type postgres from "postgres";
import { connectQuietly, createDatabase, dropDatabase, retryWhileInUse, urlOfDatabase } from "./admin.ts";
import { templateDatabaseName } from "./names.ts";
import { adminUrl, currentRun } from "./run.ts";

/** A finished database to clone others from. */
export interface Template {
  readonly name: string;
  /** The name of the database on the server; nobody can connect to it. */
  readonly database: string;
}

/**
 * Makes a template once for the whole run: the first worker to ask has `build` fill an empty database, the others wait
 * for it and use the same. The name identifies the content, so two builds under one name are a mistake.
 * @throws whatever `build` throws; the half-built database is dropped, and the next to ask builds anew
 */
export async function createTemplate(name: string, build: (url: string) => Promise<void>): Promise<Template> {
  const template: Template = { name, database: templateDatabaseName(currentRun().run, name) };
  const admin = connectQuietly(adminUrl(), 1);
  try {
    if (await isReady(admin, template)) return template;
    // A waiter in another database than those under test cannot deadlock a CREATE INDEX CONCURRENTLY in them.
    await admin`select pg_advisory_lock(hashtextextended(${template.database}, 0))`;
    if (!(await isReady(admin, template))) await buildTemplate(admin, template, build);
    return template;
  } finally {
    // The lock goes with its session.
    await admin.end({ timeout: 1 });
  }
}

/** A template has its name only when it is complete. */
async function isReady(admin: postgres.Sql, template: Template): Promise<boolean> {
  const found =
    await admin`select 1 from pg_database where datname = ${template.database} and not datallowconn`;
  return found.length > 0;
}

async function buildTemplate(
  admin: postgres.Sql,
  template: Template,
  build: (url: string) => Promise<void>,
): Promise<void> {
  const draft = `${template.database}_`;
  // Of a worker that was killed while it built.
  await dropDatabase(admin, draft);
  await dropDatabase(admin, template.database);
  await createDatabase(admin, draft);
  try {
    await build(urlOfDatabase(adminUrl(), draft));
    // A connection that `build` left open would forbid the renaming and every clone.
    await admin`alter database ${admin(draft)} allow_connections false`;
    await admin`select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = ${draft}`;
    await retryWhileInUse(() => admin`alter database ${admin(draft)} rename to ${admin(template.database)}`);
  } catch (error) {
    await dropDatabase(admin, draft);
    throw error;
  }
}
