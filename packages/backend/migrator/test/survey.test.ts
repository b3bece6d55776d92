import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestDatabase } from "@repo/test-database";
import { beforeEach, expect, test, vi } from "vitest";
import { baseline as runBaseline } from "../src/apply/baseline.ts";
import { readSettings, type SettingsInput } from "../src/config.ts";
import { openEmbedded } from "../src/database/embedded.ts";
import { type Event, migrate, plan, rollback, status } from "../src/index.ts";
import { failureOf } from "./support/database.ts";
import { makeFolder, THREE } from "./support/folder.ts";
import { closedPort } from "./support/server.ts";
import { temporaryFolder } from "./support/temporary.ts";

// The server itself is another test's.
vi.mock("../src/database/embedded.ts");

beforeEach(() => {
  for (const name of Object.keys(process.env).filter((key) => /^(DATABASE_URL$|POSTGRES_)/.test(key))) {
    vi.stubEnv(name, undefined);
  }
  vi.mocked(openEmbedded).mockReset();
});

/** A project for which no database is configured. */
async function unconfigured() {
  const config = join(await temporaryFolder(), "migrator.config.mjs");
  await writeFile(config, "export default {};");
  return { config, migrations: await makeFolder(THREE) };
}

test.each(Object.entries({ migrate, rollback, status, plan }))(
  "a listener of %s hears which embedded server is used, and that is let go in the end",
  async (_, verb) => {
    const { url } = await createTestDatabase();
    const input = await unconfigured();
    await migrate({ ...input, url });
    const release = vi.fn(async () => {});
    vi.mocked(openEmbedded).mockResolvedValue({ url, started: true, release });
    const heard: Event[] = [];
    await verb({ ...input, on: (event: Event) => heard.push(event) });
    expect(heard).toContainEqual({ type: "embedded", url, started: true });
    expect(release).toHaveBeenCalledOnce();
  },
);

test.each(Object.entries({ migrate, status, plan }))(
  "%s starts no embedded server for a folder that cannot be read",
  async (_, verb) => {
    const input = { ...(await unconfigured()), migrations: await temporaryFolder() };
    expect(await failureOf(verb(input))).toMatchObject({ code: "journal-missing" });
    expect(openEmbedded).not.toHaveBeenCalled();
  },
);

/** The command behind the verb: it reads the ledger only once it has the lock. */
async function baseline(input: SettingsInput) {
  return runBaseline(await readSettings(input), { assertMade: async () => {} });
}

test.each(Object.entries({ migrate, status, plan, baseline }))(
  "%s tells of the folder first where the database is wrong as well",
  async (_, verb) => {
    const url = `postgres://nobody@127.0.0.1:${await closedPort()}/none`;
    const error = await failureOf(verb({ migrations: await temporaryFolder(), url }));
    expect(error).toMatchObject({ code: "journal-missing" });
  },
);
