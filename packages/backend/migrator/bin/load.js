// Loads the bundled command line with the code that V8 has compiled before: compiling it anew takes 20 ms, a fifth of a
// `migrate` with nothing to do. Node itself does this since 22.8; for older ones the build leaves the code beside it.
const { createHash } = require("node:crypto");
const { readFileSync, renameSync, writeFileSync } = require("node:fs");
const { createRequire, enableCompileCache } = require("node:module");
const { dirname } = require("node:path");
const vm = require("node:vm");

/** @returns the exports of the bundle in `file` */
exports.load = (file) => {
  if (enableCompileCache === undefined) return run(file, compile(file, readFileSync(file, "utf8")));
  enableCompileCache();
  return require(file);
};

/** Part of the build: runs the bundle by `use`, and keeps the code of all functions that this has needed. */
exports.keepCode = async (file, use) => {
  if (enableCompileCache !== undefined) return;
  // The text that is compiled: another build may put a new bundle there meanwhile.
  const text = readFileSync(file, "utf8");
  const script = compile(file, text);
  await use(run(file, script));
  const draft = `${file}.${process.pid}`;
  const code = script.createCachedData();
  writeFileSync(draft, Buffer.concat([digestOf(text, code), code]));
  renameSync(draft, cacheOf(file));
};

function compile(file, text) {
  // Kept code has lost its own import() (Node 20, whatever importModuleDynamically says): it is handed one.
  const body = text.replaceAll(/(?<![\w$.])import\(/g, "importModule(");
  const head = "(function (exports, require, module, __filename, __dirname, importModule) {";
  return new vm.Script(`${head}${body}\n})`, { filename: file, cachedData: findCode(file, text) });
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
function findCode(file, text) {
  try {
    const kept = readFileSync(cacheOf(file));
    const code = kept.subarray(DIGEST_LENGTH);
    return digestOf(text, code).equals(kept.subarray(0, DIGEST_LENGTH)) ? code : undefined;
  } catch {
    return undefined;
  }
}

const DIGEST_LENGTH = 32;

function digestOf(text, code) {
  return createHash("sha256").update(text).update(code).digest();
}

function cacheOf(file) {
  return `${file}.cache`;
}
