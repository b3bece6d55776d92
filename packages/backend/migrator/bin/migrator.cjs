#!/usr/bin/env node
// Committed, so that pnpm can link it before the first build has made dist/.
require("../dist/cli.cjs")
  .main(process.argv.slice(2))
  .then((exitCode) => {
    process.exitCode = exitCode;
  });
