#!/usr/bin/env node
// Committed, so that pnpm can link it before the first build has made dist/. CommonJS, as package.json beside it says:
// Node starts that 20 to 30 ms sooner than an ES module.
const { existsSync, readFileSync, statSync } = require("node:fs");
const { join } = require("node:path");
const { bundleOf, load, wholeBundle } = require("./load.js");

const root = join(__dirname, "..");
const args = process.argv.slice(2);
const built = bundleOf(args);

/** In this repository the source lies beside it: after a pull or an edit, an old build must not migrate a database. */
function isStale() {
  if (!existsSync(join(root, "src"))) return false;
  if (!existsSync(built) || !existsSync(`${built}.sources`)) return true;
  const { mtimeMs } = statSync(built);
  // What the build was made of: a new file counts once one of these imports it.
  const sources = readFileSync(`${built}.sources`, "utf8").split("\n");
  return sources.some(
    (name) => !(statSync(`${root}/${name}`, { throwIfNoEntry: false })?.mtimeMs <= mtimeMs),
  );
}

// Its words go to stderr: stdout belongs to results.
if (isStale()) {
  const { execFileSync } = require("node:child_process");
  execFileSync(process.execPath, [join(root, "build.mjs")], { stdio: ["ignore", 2, 2] });
}

// Again, since what was built just now may be another.
load(bundleOf(args))
  .main(args)
  .then((exitCode) => exitCode ?? load(wholeBundle).main(args))
  .then((exitCode) => {
    process.exitCode = exitCode;
    // Nothing is left to do: to take the heap apart, and to hear the server's goodbye, would be a tenth of the whole. An
    // empty write ends when those before it have.
    process.stderr.write("", () => process.stdout.write("", () => process.exit()));
  });
