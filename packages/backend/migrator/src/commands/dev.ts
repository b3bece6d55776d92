import { once } from "node:events";
import { readEmbedded } from "../config.ts";
import { EXIT } from "../errors.ts";
import { addConfigFlags, settingsFrom, type Verb } from "./shared.ts";

export const verb: Verb = {
  name: "dev",
  summary: "keep the embedded PostgreSQL running until Ctrl-C, so that psql or Drizzle Studio can look in",
  configure: addConfigFlags,
  async run(flags, output, signal) {
    const { openEmbedded } = await import("../database/embedded.ts");
    const embedded = await openEmbedded(await readEmbedded(settingsFrom(flags)));
    // Listening before saying so: whoever reads the URL may stop us at once.
    const stop = signal.aborted ? Promise.resolve() : once(signal, "abort");
    output.line(embedded.url);
    output.document({ url: embedded.url });
    output.note(
      `${embedded.started ? "started" : "already running"}; other commands use it too. Ctrl-C stops it.`,
    );
    // Node would otherwise end, since nothing else is open.
    const alive = setInterval(() => {}, 60_000);
    await stop;
    clearInterval(alive);
    await embedded.release();
    output.note("stopped");
    return EXIT.done;
  },
};
