import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../errors.ts";
import type { ObservedScript, ObservedStatement } from "../observed.ts";
import { tokensOf } from "./nodes.ts";

/** What squawk says of a statement. */
export interface SquawkFinding {
  /** `ban-drop-column` */
  readonly rule: string;
  readonly message: string;
  readonly help: string | undefined;
}

/** What squawk says of a plan, or why it says nothing. */
export type SquawkResult =
  | { readonly findings: ReadonlyMap<ObservedStatement, readonly SquawkFinding[]> }
  | { readonly missing: string };

/** Statements in a file of their own, with the line that each begins on, counted from 0 as squawk does. */
interface Page {
  readonly text: string;
  readonly starts: readonly { readonly line: number; readonly statement: ObservedStatement }[];
}

/**
 * Has squawk read a plan, in two starts of the program at most: one for what runs in transactions, and one for what runs
 * outside of any. It is given the statements as they were observed, each transaction as a file, so that text which only
 * Drizzle's breakpoints divide is divided for it too.
 * @param major of the server, e.g. 17
 */
export async function runSquawk(scripts: readonly ObservedScript[], major: number): Promise<SquawkResult> {
  const binary = findBinary();
  if (typeof binary !== "string") return binary;
  const statements = scripts.map((script) => script.statements);
  const transactions = statements.flatMap((own) => {
    const numbers = [...new Set(own.map(({ transaction }) => transaction))];
    return numbers.map((number) => own.filter(({ transaction }) => transaction === number));
  });
  const isAlone = (group: readonly ObservedStatement[]) => group.some(({ alone }) => alone);
  try {
    const found = await Promise.all([
      readPages(binary, major, true, transactions.filter((group) => !isAlone(group)).map(pageOf)),
      readPages(binary, major, false, transactions.filter(isAlone).map(pageOf)),
    ]);
    const findings = new Map<ObservedStatement, SquawkFinding[]>();
    for (const [statement, finding] of found.flat())
      findings.set(statement, [...(findings.get(statement) ?? []), finding]);
    return { findings };
  } catch (error) {
    return { missing: `squawk could not be run: ${messageOf(error)}` };
  }
}

/** The program itself: its npm package starts it through a second Node, which costs more than the reading. */
function findBinary(): string | { readonly missing: string } {
  const platform = `${process.platform}-${process.arch}`;
  const program = process.platform === "win32" ? "squawk.exe" : "squawk";
  try {
    const fromHere = createRequire(import.meta.url);
    const fromPackage = createRequire(fromHere.resolve("squawk-cli/package.json"));
    return fromPackage.resolve(`@squawk-cli/${platform}/bin/${program}`);
  } catch {
    return {
      missing: `squawk-cli has no program for ${platform} here (its package @squawk-cli/${platform})`,
    };
  }
}

function pageOf(statements: readonly ObservedStatement[]): Page {
  const starts: { line: number; statement: ObservedStatement }[] = [];
  const lines: string[] = [];
  for (const statement of statements) {
    starts.push({ line: lines.length, statement });
    lines.push(...withoutComments(statement.sql).split("\n"), ";");
  }
  return { text: lines.join("\n"), starts };
}

/** A `-- squawk-ignore` would accept a hazard without a reason; what the migrator takes for that is `-- allow:`. */
function withoutComments(sql: string): string {
  const bytes = Buffer.from(sql, "utf8");
  const tokens = /--|\/\*/.test(sql) ? tokensOf(sql) : [];
  for (const { tokenName, start, end } of tokens) {
    if (tokenName !== "SQL_COMMENT" && tokenName !== "C_COMMENT") continue;
    for (let at = start; at < end; at++) if (bytes[at] !== NEWLINE) bytes[at] = SPACE;
  }
  // Its own mark, so that an empty command before it is none to squawk.
  return bytes.toString("utf8").replace(/;\s*$/, "");
}

const NEWLINE = 10;
const SPACE = 32;

interface Report {
  readonly file: string;
  readonly line: number;
  readonly message: string;
  readonly help: string | null;
  readonly rule_name: string;
}

async function readPages(
  binary: string,
  major: number,
  inTransaction: boolean,
  pages: readonly Page[],
): Promise<readonly (readonly [ObservedStatement, SquawkFinding])[]> {
  if (pages.length === 0) return [];
  const folder = await mkdtemp(join(tmpdir(), "migrator-squawk-"));
  try {
    const names = pages.map((_, index) => `${index}.sql`);
    await Promise.all(pages.map(({ text }, index) => writeFile(join(folder, `${index}.sql`), text)));
    // One of somebody's own further up would leave rules out without a word.
    await writeFile(join(folder, "squawk.toml"), "");
    const reports = await reportsOf(binary, folder, [
      ...["--reporter", "json", "--pg-version", `${major}.0`, "--config", "squawk.toml"],
      ...(inTransaction ? ["--assume-in-transaction"] : []),
      ...names,
    ]);
    return reports.flatMap(({ file, line, message, help, rule_name: rule }) => {
      const starts = pages[Number.parseInt(file, 10)]?.starts ?? [];
      const statement = starts.findLast((start) => start.line <= line)?.statement;
      return statement ? [[statement, { rule, message, help: help ?? undefined }] as const] : [];
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** It ends with 1 where it has found something, and with something else, or without JSON, where it could not read. */
function reportsOf(binary: string, cwd: string, args: readonly string[]): Promise<readonly Report[]> {
  return new Promise((resolve, reject) => {
    execFile(binary, args, { cwd, maxBuffer: 256 * 1024 * 1024 }, (error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout) as readonly Report[]);
      } catch (cause) {
        reject(new Error(stderr.trim() || error?.message || "it answered nothing", { cause }));
      }
    });
  });
}
