import type { Bench, CaseResult } from "../bench.ts";
import { ratioGoal } from "../bench.ts";
import {
  BARE,
  bareReader,
  type Contestant,
  DRIZZLE_KIT,
  drizzleKit,
  OURS,
  otherRivals,
  ours,
} from "../contestants.ts";
import { assertTables } from "../databases.ts";
import { writeFormats } from "../formats.ts";
import { generateMigrations, tablesOf } from "../migrations.ts";
import { timeProcess } from "../processes.ts";
import { race } from "../race.ts";
import { timesTable } from "../report.ts";
import { medianOf } from "../statistics.ts";

const RUNS = 15;

/** `migrate` on a database that has everything: what every deploy and every start of a container pays. */
export async function nothingToDo(bench: Bench): Promise<CaseResult> {
  const { flags, folder, databases, rivals } = bench;
  const formats = await writeFormats(folder, generateMigrations(flags.migrations));
  const mine = ours(formats.drizzle, folder);
  const appliers = [
    mine,
    await drizzleKit(formats.drizzle, folder, rivals),
    ...otherRivals(formats, folder, rivals),
  ];
  const lanes = [];
  for (const [index, contestant] of appliers.entries()) {
    const url = await databases.create(`nothing_${index}`);
    await timeProcess(contestant.command(url));
    await assertTables(url, contestant.name, tablesOf(flags.migrations));
    lanes.push(laneOf(contestant, url));
    // Reads the very ledger that ours reads.
    if (contestant === mine) lanes.push(laneOf(bareReader(folder), url));
  }
  const times = await race(lanes, flags.runs ?? RUNS);
  for (const index of appliers.keys()) await databases.drop(`nothing_${index}`);
  const own = medianOf(times, OURS);
  return {
    title: "`migrate` with nothing to do",
    description: [
      `${flags.migrations} migrations in the folder, all of them applied; each time is that of a whole process.`,
    ],
    table: timesTable(times, BARE),
    goals: [
      ratioGoal(
        "nothing to do: at most 1.25 x a bare process that reads the ledger",
        own / medianOf(times, BARE),
        {
          atMost: 1.25,
        },
      ),
      ratioGoal("nothing to do: at least 2 x faster than drizzle-kit", medianOf(times, DRIZZLE_KIT) / own, {
        atLeast: 2,
      }),
    ],
  };
}

function laneOf({ name, command }: Contestant, url: string) {
  return { name, run: () => timeProcess(command(url)) };
}
