// Loads the bundled command line with the code that V8 has compiled before: compiling it anew takes 20 ms, a fifth of a
// `migrate` with nothing to do. Node itself does this since 22.8; for older ones the build leaves the code beside it.
const { createHash } = require("node:crypto");
const { isAscii } = require("node:buffer");
const { existsSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const { createRequire, enableCompileCache } = require("node:module");
const { dirname, join } = require("node:path");
const vm = require("node:vm");

const dist = join(__dirname, "..", "dist");

/** The file that holds the command line with all verbs. */
exports.wholeBundle = join(dist, "cli.cjs");

/** @returns the file that holds the command line: for some verbs one that holds no other */
exports.bundleOf = (args) => {
  // As cli.ts finds the verb.
  const verb = args.find((arg) => !arg.startsWith("-"));
  const own = join(dist, `cli-${verb}.cjs`);
  return /^[a-z]+$/.test(verb) && existsSync(own) ? own : exports.wholeBundle;
};

/** @returns the exports of the bundle in `file` */
exports.load = (file) => {
  if (enableCompileCache === undefined) return run(file, compile(file, readFileSync(file)));
  enableCompileCache();
  return require(file);
};

/** Part of the build: runs the bundle by `use`, and keeps the code of all functions that this has needed. */
exports.keepCode = async (file, use) => {
  if (enableCompileCache !== undefined) return;
  // The text that is compiled: another build may put a new bundle there meanwhile.
  const bytes = readFileSync(file);
  const script = compile(file, bytes);
  await use(run(file, script));
  const draft = `${file}.${process.pid}`;
  const code = script.createCachedData();
  writeFileSync(draft, Buffer.concat([digestOf(bytes, code), code]));
  renameSync(draft, cacheOf(file));
};

function compile(file, bytes) {
  // Several times as fast as UTF-8, of which it is a part.
  const text = isAscii(bytes) ? bytes.latin1Slice() : bytes.toString("utf8");
  // Kept code has lost its own import() (Node 20, whatever importModuleDynamically says): it is handed one.
  const body = text.replaceAll(/(?<![\w$.])import\(/g, "importModule(");
  const head = "(function (exports, require, module, __filename, __dirname, importModule) {";
  return new vm.Script(`${head}${body}\n})`, { filename: file, cachedData: findCode(file, bytes) });
}

function run(file, script) {
  const module = { exports: {} };
  const importModule = (specifier) => import(specifier);
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file), importModule);
  return module.exports;
}

/**
 * V8 refuses the code of another Node, but of the text it checks the length alone, and of the code nothing: damaged code
 * would end the process or do something else. Hence the digest of both.
 */
function findCode(file, bytes) {
  try {
    const kept = readFileSync(cacheOf(file));
    const code = kept.subarray(DIGEST_LENGTH);
    return digestOf(bytes, code).equals(kept.subarray(0, DIGEST_LENGTH)) ? code : undefined;
  } catch {
    return undefined;
  }
}

const DIGEST_LENGTH = 20;

/** Against accidents: whoever can write the kept code can write the bundle, too. */
function digestOf(bytes, code) {
  return createHash("sha1").update(bytes).update(code).digest();
}

function cacheOf(file) {
  return `${file}.cache`;
}
