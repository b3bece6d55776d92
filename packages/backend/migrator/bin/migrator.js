#!/usr/bin/env node
// Committed, so that pnpm can link it before the first build has made dist/.
import { main } from "../dist/cli.js";

process.exitCode = await main(process.argv.slice(2));
