// Part of the build: does what a verb does up to its connection, so that its code is kept for later starts.
const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { bundleOf, keepCode } = require("./load.js");

const folder = mkdtempSync(join(tmpdir(), "migrator-warm-up-"));
const entries = [{ idx: 0, version: "7", when: 1, tag: "0000_a", breakpoints: true }];
mkdirSync(join(folder, "meta"));
writeFileSync(
  join(folder, "meta", "_journal.json"),
  JSON.stringify({ version: "7", dialect: "postgresql", entries }),
);
writeFileSync(join(folder, "meta", "0000_snapshot.json"), "{}");
writeFileSync(join(folder, "0000_a.sql"), "SELECT 1;");
// Nobody listens on port 1: the run ends there.
const args = [process.argv[2], "--migrations", folder, "--url", "postgres://nobody@127.0.0.1:1/nothing"];

keepCode(bundleOf(args), ({ main }) => main(args)).finally(() =>
  rmSync(folder, { recursive: true, force: true }),
);
