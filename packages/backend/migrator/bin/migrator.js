#!/usr/bin/env node
// Committed, so that pnpm can link it before the first build has made dist/. CommonJS, as package.json beside it says:
// Node starts that 20 to 30 ms sooner than an ES module.
const { execFileSync } = require("node:child_process");
const { existsSync, readdirSync, statSync } = require("node:fs");
const { join } = require("node:path");

const root = join(__dirname, "..");
const built = join(root, "dist", "cli.cjs");

/** In this repository the source lies beside it: after a pull or an edit, an old build must not migrate a database. */
function isStale() {
  const source = join(root, "src");
  if (!existsSync(source)) return false;
  if (!existsSync(built)) return true;
  const { mtimeMs } = statSync(built);
  return readdirSync(source, { recursive: true }).some(
    (name) => statSync(join(source, name)).mtimeMs > mtimeMs,
  );
}

// Its words go to stderr: stdout belongs to results.
if (isStale()) execFileSync(process.execPath, [join(root, "build.mjs")], { stdio: ["ignore", 2, 2] });

// Node 22.8 and newer keep the compiled code for the next start.
require("node:module").enableCompileCache?.();

require(built)
  .main(process.argv.slice(2))
  .then((exitCode) => {
    process.exitCode = exitCode;
  });
