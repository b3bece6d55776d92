import { dropRole } from "./admin.ts";
import type { TestDatabase } from "./database.ts";
import { whenScopeEnds } from "./lifetime.ts";
import { uniqueName } from "./names.ts";
import { adminSql, adminUrl, currentRun } from "./run.ts";

/** A role of one test, with no privileges but those everybody has. */
export interface TestRole {
  readonly name: string;
  readonly password: string;
  /** The database's URL with this role as its user. */
  urlOf(database: TestDatabase): string;
  /** Drops the role with all that it owns and was granted. Called again it does nothing. */
  drop(): Promise<void>;
}

/** What a new role may do. */
export interface TestRoleOptions {
  /** Default `secret`. */
  readonly password?: string;
  /** Default true. */
  readonly login?: boolean;
  /** Default false. */
  readonly createdb?: boolean;
  /** Default false. */
  readonly createrole?: boolean;
  /** Settings of the role's sessions, e.g. `{ default_transaction_read_only: "on" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Creates a role with a name no other test has; it is dropped by itself, as a test database is. */
export async function createTestRole(options: TestRoleOptions = {}): Promise<TestRole> {
  const name = uniqueName(currentRun().run, "r");
  const password = options.password ?? "secret";
  const admin = adminSql();
  let dropped: Promise<void> | undefined;
  const role: TestRole = {
    name,
    password,
    urlOf: (database) => urlOfRole(database.url, name, password),
    drop: () => {
      dropped ??= dropRole(admin, adminUrl(), name);
      return dropped;
    },
  };
  whenScopeEnds(role.drop);
  const flags = [
    (options.login ?? true) ? "login" : "nologin",
    options.createdb ? "createdb" : "nocreatedb",
    options.createrole ? "createrole" : "nocreaterole",
  ].join(" ");
  // Utility statements take no parameters.
  await admin`create role ${admin(name)} ${admin.unsafe(flags)} password ${admin.unsafe(literal(password))}`;
  // A superuser needs no membership; a CREATEROLE user in TEST_POSTGRES does, to hand over objects and drop them.
  await admin`grant ${admin(name)} to current_user`;
  for (const [setting, value] of Object.entries(options.settings ?? {})) {
    await admin`alter role ${admin(name)} set ${admin(setting)} = ${admin.unsafe(literal(value))}`;
  }
  return role;
}

function urlOfRole(url: string, name: string, password: string): string {
  const changed = new URL(url);
  changed.username = encodeURIComponent(name);
  changed.password = encodeURIComponent(password);
  return changed.href;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
