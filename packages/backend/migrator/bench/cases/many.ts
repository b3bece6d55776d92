import type { Bench, CaseResult, Goal } from "../bench.ts";
import { ratioGoal } from "../bench.ts";
import {
  appliers,
  type Contestant,
  DRIZZLE_KIT,
  drizzleKit,
  OURS,
  otherRivals,
  ours,
  PSQL,
  RAW,
} from "../contestants.ts";
import { assertTables } from "../databases.ts";
import { writeFormats } from "../formats.ts";
import { generateMigrations, tablesOf } from "../migrations.ts";
import { timeProcess } from "../processes.ts";
import { startProxy } from "../proxy.ts";
import { type Lane, race } from "../race.ts";
import { timesTable } from "../report.ts";
import { ratioOf, type Times } from "../statistics.ts";

const LOCAL_RUNS = 7;
const FAR_RUNS = 1;

/** All generated migrations on an empty database, the server on this machine. */
export async function many(bench: Bench): Promise<CaseResult> {
  const times = await race(await lanesOf(bench, (url) => url), bench.flags.runs ?? LOCAL_RUNS);
  const floor = times.some(({ name }) => name === PSQL) ? PSQL : RAW;
  return {
    title: `${bench.flags.migrations} migrations, local`,
    description: [
      ...describe(bench),
      ...(floor === RAW ? ["This machine has no psql: the floor is postgres.js instead."] : []),
    ],
    table: timesTable(times, floor),
    goals: [
      ratioGoal(`many, local: at most 1.1 x ${floor}`, ratioOf(times, OURS, floor), { atMost: 1.1 }),
      fasterThanKit("many, local", times, 2),
    ],
  };
}

/** The same with the server far away. */
export async function far(bench: Bench): Promise<CaseResult> {
  const { flags, url } = bench;
  const proxy = await startProxy(url, flags.delayMs);
  try {
    // Minutes of waiting for the network: what a cold cache adds does not show.
    const times = await race(await lanesOf(bench, proxy.urlOf), flags.runs ?? FAR_RUNS, false);
    return {
      title: `${flags.migrations} migrations, ${flags.delayMs} ms away each way`,
      description: [
        ...describe(bench),
        `Every byte goes through a proxy that hands it on ${flags.delayMs} ms later, in each direction. There is no uncounted round.`,
      ],
      table: timesTable(times, RAW),
      goals: [fasterThanKit("many, far", times, 6)],
    };
  } finally {
    await proxy.close();
  }
}

function fasterThanKit(label: string, times: readonly Times[], atLeast: number): Goal {
  const ratio = ratioOf(times, DRIZZLE_KIT, OURS);
  return ratioGoal(`${label}: at least ${atLeast} x faster than drizzle-kit`, ratio, { atLeast });
}

function describe({ flags }: Bench): readonly string[] {
  return [
    `${flags.migrations} generated migrations of six statements each (${tablesOf(flags.migrations)} tables, columns, indexes, foreign keys, checks), each time on a new database.`,
    "The migrator, dbmate and graphile-migrate commit each migration; drizzle-kit, drizzle-orm and node-pg-migrate commit all of them at once. psql and postgres.js run the same SQL without keeping a ledger.",
  ];
}

async function lanesOf(bench: Bench, reach: (url: string) => string): Promise<readonly Lane[]> {
  const { flags, folder, rivals } = bench;
  const formats = await writeFormats(folder, generateMigrations(flags.migrations));
  const contestants = [
    ours(formats.drizzle, folder),
    ...(await appliers(formats, folder)),
    await drizzleKit(formats.drizzle, folder, rivals),
    ...otherRivals(formats, folder, rivals),
  ];
  return contestants.map((contestant) => laneOf(bench, contestant, reach));
}

function laneOf(
  { databases, flags }: Bench,
  { name, command }: Contestant,
  reach: (url: string) => string,
): Lane {
  return {
    name,
    async run() {
      const url = await databases.create();
      const ms = await timeProcess(command(reach(url)));
      await assertTables(url, name, tablesOf(flags.migrations));
      return ms;
    },
  };
}
