import { join } from "node:path";
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
import { ratioOf } from "../statistics.ts";

const RUNS = 15;

/** As many as this repository has. */
const FEW = 8;

/** `migrate` on a database that has everything: what every deploy and every start of a container pays. */
export async function nothingToDo(bench: Bench): Promise<CaseResult> {
  const { flags, folder, databases, rivals } = bench;
  const formats = await writeFormats(join(folder, "few"), generateMigrations(FEW));
  const many = await writeFormats(join(folder, "many"), generateMigrations(flags.migrations));
  const mine = ours(formats.drizzle, folder);
  const appliers = [
    mine,
    await drizzleKit(formats.drizzle, folder, rivals),
    ...otherRivals(formats, folder, rivals),
  ];
  const lanes = [];
  for (const contestant of appliers) {
    const url = await databases.create();
    await timeProcess(contestant.command(url));
    await assertTables(url, contestant.name, tablesOf(FEW));
    lanes.push(laneOf(contestant, url));
    // Reads the very ledger that ours reads.
    if (contestant === mine) lanes.push(laneOf(bareReader(folder), url));
  }
  const full = { ...ours(many.drizzle, folder), name: `${OURS}, ${flags.migrations} in the folder` };
  const fullUrl = await databases.create();
  await timeProcess(full.command(fullUrl));
  lanes.push(laneOf(full, fullUrl));
  const times = await race(lanes, flags.runs ?? RUNS);
  return {
    title: "`migrate` with nothing to do",
    description: [
      `${FEW} migrations in the folder, all of them applied; each time is that of a whole process.`,
      `What a folder of ${flags.migrations} adds has a row of its own: all files are read and hashed, since none may have changed.`,
    ],
    table: timesTable(times, BARE),
    goals: [
      ratioGoal(
        "nothing to do: at most 1.25 x a bare process that reads the ledger",
        ratioOf(times, OURS, BARE),
        {
          atMost: 1.25,
        },
      ),
      ratioGoal("nothing to do: at least 2 x faster than drizzle-kit", ratioOf(times, DRIZZLE_KIT, OURS), {
        atLeast: 2,
      }),
    ],
  };
}

function laneOf({ name, command }: Contestant, url: string) {
  return { name, run: () => timeProcess(command(url)) };
}
