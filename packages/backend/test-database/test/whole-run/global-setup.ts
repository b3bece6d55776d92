import type { TestProject } from "vitest/node";
import { startEmbeddedServer } from "../../../migrator/src/database/embedded-server.ts";
import { connectQuietly } from "../../src/admin.ts";
import type {} from "../../src/run.ts";
import { startTestServer } from "../../src/server.ts";

/** As the real one, but it prints what the test files left before it stops the server. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { stop, ...server } = await startTestServer({ startEmbedded: startEmbeddedServer });
  const { label, ...provided } = server;
  project.provide("testDatabase", provided);
  console.log(`server: ${label}\nport: ${new URL(server.url).port}`);
  return async () => {
    const admin = connectQuietly(server.url, 1);
    const left = await admin<{ name: string }[]>`
      select datname as name from pg_database where starts_with(datname, ${server.run})
      union all select rolname from pg_roles where starts_with(rolname, ${server.run}) order by 1`;
    await admin.end();
    console.log(`left: ${left.map(({ name }) => name.replace(server.run, "")).join(" ")}`);
    await stop();
  };
}
