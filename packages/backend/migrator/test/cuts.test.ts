import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { type Event, migrate } from "../src/index.ts";
import { errorOf, runCli, startCli } from "./support/cli.ts";
import { readCatalog } from "./support/database.ts";
import {
  expectBeforeOrAfter,
  expectFinished,
  MARKS,
  preparePausing,
  resume,
  untilItGoesOn,
  untilPaused,
} from "./support/pausing.ts";
import { startProxy } from "./support/proxy.ts";
import { expectNoRunner, until } from "./support/sessions.ts";

describe("SIGKILL of the runner leaves before or after, and a re-run finishes the job:", () => {
  let undisturbed: readonly string[] = [];

  beforeAll(async () => {
    const place = await preparePausing(0, 0);
    await migrate({ migrations: place.folder, url: place.database.url });
    undisturbed = await readCatalog(place.database.sql);
    await place.database.drop();
  });

  test.each(MARKS)("at mark %i, %s", async (mark) => {
    const place = await preparePausing(mark, 20);
    const { sql } = place.database;
    const cli = await startCli(place.args);
    await untilPaused(sql);
    cli.kill("SIGKILL");
    expect(await cli.done).toMatchObject({ exitCode: null });
    await expectNoRunner(sql);
    await expectBeforeOrAfter(sql);
    await expectFinished(place, undisturbed);
  });

  test.each([2, 20, 25])(
    "at mark %i, where the server does not notice and goes on: the re-run waits for it and runs nothing twice",
    async (mark) => {
      const place = await preparePausing(mark, 1.5);
      const { sql, url } = place.database;
      // A network that keeps the dead client's connection open.
      const proxy = await startProxy(url);
      const cli = await startCli(["migrate", "--migrations", place.folder, "--url", proxy.url]);
      await untilPaused(sql);
      proxy.stall();
      cli.kill("SIGKILL");
      await cli.done;
      await resume(place);
      const events: Event[] = [];
      const run = migrate({ migrations: place.folder, url, on: (event) => events.push(event) });
      await until("a run that waits", async () => events.some(({ type }) => type === "waiting"));
      await untilItGoesOn(sql);
      proxy.cut();
      await run;
      await expectFinished(place, undisturbed);
    },
  );
});

describe("a session that is ended in the middle of a statement", () => {
  test("leaves the migration undone, says so, and a re-run finishes", async () => {
    const place = await preparePausing(8, 20);
    const { sql } = place.database;
    const run = runCli([...place.args, "--json"]);
    const pid = await untilPaused(sql);
    await sql`select pg_terminate_backend(${pid})`;
    const result = await run;
    expect(result.exitCode).toBe(1);
    const error = errorOf(result);
    expect(error.code).toBe("connection-lost");
    expect(error.state).toBe("0001_table, 0002_data, 0003_index were applied; 0004_more was undone whole");
    expect(await expectBeforeOrAfter(sql)).toBe(4);
    await resume(place);
    await migrate({ migrations: place.folder, url: place.database.url });
    expect(await expectBeforeOrAfter(sql)).toBe(6);
  });
});

describe("a network that fails", () => {
  test.each([
    ["in a transaction", 8],
    ["in a concurrent build", 20],
    ["at the commit", 25],
  ])("by a reset %s: what the runner says is so, and a re-run finishes", async (_, mark) => {
    const place = await preparePausing(mark, 0.7);
    const { sql } = place.database;
    const proxy = await startProxy(place.database.url);
    const run = runCli(["migrate", "--migrations", place.folder, "--url", proxy.url, "--json"]);
    await untilPaused(sql);
    proxy.cut();
    const result = await run;
    expect(result.exitCode).toBe(1);
    expect(errorOf(result)).toMatchObject({ code: "connection-lost" });
    // It cannot look any more: saying what it does not know would be a lie.
    expect(errorOf(result).state).toMatch(
      mark === 20 ? /1 of the 3 parts of 0003_index stand/ : /is not known/,
    );
    await expectNoRunner(sql);
    await expectBeforeOrAfter(sql);
    await resume(place);
    await migrate({ migrations: place.folder, url: place.database.url });
    expect(await expectBeforeOrAfter(sql)).toBe(6);
  });

  test("by a reset of one connection: the runner looks again and says what became of its migration", async () => {
    const place = await preparePausing(25, 0.7);
    const { sql } = place.database;
    const proxy = await startProxy(place.database.url);
    const run = runCli(["migrate", "--migrations", place.folder, "--url", proxy.url, "--json"]);
    await untilPaused(sql);
    proxy.cut();
    proxy.heal();
    const error = errorOf(await run);
    const applied = await expectBeforeOrAfter(sql);
    expect(error.state).toMatch(
      applied === 6 ? /0005_last (was|were) committed before that$/ : /; 0005_last was undone whole$/,
    );
    await expectNoRunner(sql);
  });

  test.each([
    ["in a transaction", 8],
    ["in a concurrent build", 20],
  ])("by silence %s: the runner ends once the connection does, and nothing is half done", async (_, mark) => {
    const place = await preparePausing(mark, 0.3);
    const { sql } = place.database;
    const proxy = await startProxy(place.database.url);
    const cli = await startCli(["migrate", "--migrations", place.folder, "--url", proxy.url, "--json"]);
    await untilPaused(sql);
    proxy.stall();
    await sleep(600);
    let ended = false;
    const done = cli.done.finally(() => {
      ended = true;
    });
    await sleep(100);
    expect(ended).toBe(false);
    proxy.cut();
    const result = await done;
    expect(result.exitCode).toBe(1);
    expect(errorOf(result)).toMatchObject({ code: "connection-lost" });
    await expectNoRunner(sql);
    await expectBeforeOrAfter(sql);
    await resume(place);
    await migrate({ migrations: place.folder, url: place.database.url });
    expect(await expectBeforeOrAfter(sql)).toBe(6);
  });

  test("by silence that ends by itself: the run goes on", async () => {
    const place = await preparePausing(8, 0.3);
    const proxy = await startProxy(place.database.url);
    const run = runCli(["migrate", "--migrations", place.folder, "--url", proxy.url]);
    await untilPaused(place.database.sql);
    proxy.stall();
    await sleep(800);
    proxy.heal();
    expect(await run).toMatchObject({ exitCode: 0 });
    expect(await expectBeforeOrAfter(place.database.sql)).toBe(6);
  });

  test("by silence, and a person who stops the run twice", async () => {
    const place = await preparePausing(8, 0.5);
    const { sql } = place.database;
    const proxy = await startProxy(place.database.url);
    const cli = await startCli(["migrate", "--migrations", place.folder, "--url", proxy.url]);
    await untilPaused(sql);
    proxy.stall();
    cli.kill("SIGINT");
    await cli.untilItSays("once more stops at once");
    cli.kill("SIGINT");
    expect(await cli.done).toMatchObject({ exitCode: 1 });
    proxy.cut();
    await expectNoRunner(sql);
    await expectBeforeOrAfter(sql);
  });
});
