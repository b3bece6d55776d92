import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { temporaryFolder } from "./support/temporary.ts";
import { titled } from "./support/titled.ts";

const require = createRequire(import.meta.url);
const vm = require("node:vm") as typeof import("node:vm");

interface Bundle {
  answer(): string;
}

interface Loader {
  bundleOf(args: readonly string[]): string;
  load(file: string): Bundle;
  keepCode(file: string, use: (bundle: Bundle) => unknown): Promise<void>;
}

/** `bin/load.js` as a Node without a cache of its own sees it. */
function loader(): Loader {
  const nodes = require("node:module") as { enableCompileCache?: unknown };
  const { enableCompileCache } = nodes;
  nodes.enableCompileCache = undefined;
  delete require.cache[require.resolve("../bin/load.js")];
  try {
    return require("../bin/load.js") as Loader;
  } finally {
    nodes.enableCompileCache = enableCompileCache;
  }
}

/** A bundle in a folder of its own, with its code kept beside it. */
async function keep() {
  const file = join(await temporaryFolder(), "bundle.cjs");
  await writeFile(file, bundleOf("one"));
  const { load, keepCode } = loader();
  await keepCode(file, (bundle) => bundle.answer());
  return { file, cache: `${file}.cache`, load };
}

/** Texts of one length: V8 itself takes the code of one for that of the other. */
function bundleOf(word: "one" | "two"): string {
  return `exports.answer = () => { let said = ""; for (const part of ["${word}", "!"]) said += part; return said; };`;
}

/** What became of each piece of kept code that V8 was given: whether it took it. */
function watchV8(): readonly boolean[] {
  const taken: boolean[] = [];
  const { Script } = vm;
  const spy = vi.spyOn(vm, "Script").mockImplementation(function watched(code, options) {
    const script = new Script(code, options);
    if (typeof options === "object" && options.cachedData !== undefined)
      taken.push(script.cachedDataRejected === false);
    return script;
  });
  onTestFinished(() => spy.mockRestore());
  return taken;
}

test("code that was kept is used", async () => {
  const { file, load } = await keep();
  const taken = watchV8();
  expect(load(file).answer()).toBe("one!");
  expect(taken).toEqual([true]);
});

test("code of another text is not used, though it has the same length", async () => {
  const { file, load } = await keep();
  await writeFile(file, bundleOf("two"));
  const taken = watchV8();
  expect(load(file).answer()).toBe("two!");
  expect(taken).toEqual([]);
});

test("code of a bundle that another build replaces meanwhile is not used for the new one", async () => {
  const { file, load } = await keep();
  await loader().keepCode(file, async (bundle) => {
    bundle.answer();
    await writeFile(file, bundleOf("two"));
  });
  expect(load(file).answer()).toBe("two!");
});

/** The digest's length: what follows is V8's. */
const CODE = 32;

// V8 checks its code's version and length, not its content: it would end the process.
test.each([
  ["in the digest", 5],
  ["at the head of the code", CODE + 8],
  ["in the code", CODE + 40],
])("code with a wrong byte %s is not given to V8", async (_, at) => {
  const { file, cache, load } = await keep();
  const kept = await readFile(cache);
  kept[at] = (kept[at] ?? 0) ^ 0x55;
  await writeFile(cache, kept);
  const taken = watchV8();
  expect(load(file).answer()).toBe("one!");
  expect(taken).toEqual([]);
});

test.each(
  titled([
    { title: "is empty", damage: (cache: string) => writeFile(cache, "") },
    {
      title: "ends in the digest",
      damage: async (cache: string) => writeFile(cache, (await readFile(cache)).subarray(0, 10)),
    },
    {
      title: "ends after the digest",
      damage: async (cache: string) => writeFile(cache, (await readFile(cache)).subarray(0, CODE)),
    },
    {
      title: "has lost its last byte",
      damage: async (cache: string) => writeFile(cache, (await readFile(cache)).subarray(0, -1)),
    },
    { title: "is not there", damage: (cache: string) => rm(cache) },
    {
      title: "cannot be read",
      damage: async (cache: string) => {
        await rm(cache);
        await mkdir(cache);
      },
    },
  ]),
)("a cache that %s is no hindrance", async (_, { damage }) => {
  const { file, cache, load } = await keep();
  await damage(cache);
  const taken = watchV8();
  expect(load(file).answer()).toBe("one!");
  expect(taken).toEqual([]);
});

test("a bundle that runs from kept code can import modules", async () => {
  const { file, load } = await keep();
  await writeFile(file, 'exports.answer = () => import("node:path").then(({ posix }) => posix.sep);');
  await loader().keepCode(file, (bundle) => bundle.answer());
  const taken = watchV8();
  expect(await load(file).answer()).toBe("/");
  expect(taken).toEqual([true]);
});

test.each([
  [["migrate", "--json"], "cli-migrate.cjs"],
  [["--json", "status"], "cli-status.cjs"],
  [["rollback"], "cli.cjs"],
  [["../cli-migrate"], "cli.cjs"],
  [["--help"], "cli.cjs"],
  [[], "cli.cjs"],
])("%j is run by %s", async (args, bundle) => {
  expect(basename(loader().bundleOf(args))).toBe(bundle);
});

test("the bundles of single verbs hold no code of others", async () => {
  for (const verb of ["migrate", "status"]) {
    const text = await readFile(loader().bundleOf([verb]), "utf8");
    expect(text).toContain("__drizzle_migrations");
    expect(text).not.toContain("pg-delta");
  }
});
