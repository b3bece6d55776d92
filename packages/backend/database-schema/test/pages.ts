import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A fenced SQL block of a page; its name is the text of its first comment. */
export interface SqlBlock {
  readonly name: string;
  readonly sql: string;
  /** What its line `-- locks: …; rows: …` says, where it has one. */
  readonly claim: { readonly locks: string; readonly rows: string } | undefined;
}

/** A line of a Markdown table: the cell below each heading, without backticks. */
export type TableRow = Readonly<Record<string, string>>;

/** A page below `docs/`, read anew for each test run, so that what is tested is what is written there. */
export interface Page {
  readonly text: string;
  readonly blocks: readonly SqlBlock[];
}

/** @throws Error where a page has no SQL, or two blocks of one name */
export function readPage(name: string): Page {
  const text = readFileSync(new URL(`../docs/${name}`, import.meta.url), "utf8");
  const blocks = [...text.matchAll(/^```sql\n(.*?)^```/gms)].map(([, sql = ""]) => readBlock(name, sql));
  if (blocks.length === 0) throw new Error(`${name} has no SQL block`);
  const names = blocks.map((block) => block.name);
  const twice = names.find((candidate, index) => names.indexOf(candidate) < index);
  if (twice !== undefined) throw new Error(`${name} has two SQL blocks that begin with "-- ${twice}"`);
  return { text, blocks };
}

function readBlock(page: string, sql: string): SqlBlock {
  const name = /^-- (.+)\n/.exec(sql)?.[1];
  if (name === undefined) throw new Error(`${page}: a SQL block does not begin with a comment:\n${sql}`);
  const [, locks, rows] = /^-- locks: (.+); rows: (.+)$/m.exec(sql) ?? [];
  const claim = locks === undefined || rows === undefined ? undefined : { locks, rows };
  return { name, sql, claim };
}

/** The SQL of the page's block of this name. @throws Error where there is none */
export function sqlOf(page: Page, name: string): string {
  const block = page.blocks.find((candidate) => candidate.name === name);
  if (block === undefined) throw new Error(`there is no SQL block that begins with "-- ${name}"`);
  return block.sql;
}

/** The lines of the page's table whose first column has this heading. @throws Error where there is none */
export function tableOf(page: Page, firstHeading: string): readonly TableRow[] {
  const lines = page.text.split("\n");
  const start = lines.findIndex((line) => cellsOf(line)[0] === firstHeading);
  if (start < 0) throw new Error(`there is no table whose first column is "${firstHeading}"`);
  const headings = cellsOf(lines[start] ?? "");
  const length = lines.slice(start).findIndex((line) => !line.startsWith("|"));
  const rows = lines.slice(start + 2, length < 0 ? undefined : start + length).map((line) => {
    const cells = cellsOf(line);
    return Object.fromEntries(headings.map((heading, index) => [heading, cells[index] ?? ""]));
  });
  if (rows.length === 0) throw new Error(`the table whose first column is "${firstHeading}" is empty`);
  return rows;
}

function cellsOf(line: string): readonly string[] {
  if (!line.startsWith("|")) return [];
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll("`", "").replaceAll("\\|", "|"));
}

/** The page's links to files and headings that are not there. */
export function deadLinksOf(name: string): readonly string[] {
  const { text } = readPage(name);
  const links = [...text.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map((match) => match[1] ?? "");
  return links.filter((link) => !isAlive(name, link));
}

function isAlive(from: string, link: string): boolean {
  const [file = "", heading] = link.split("#");
  const target = new URL(file === "" ? from : file, new URL("../docs/", import.meta.url));
  if (!existsSync(fileURLToPath(target))) return false;
  return heading === undefined || headingsOf(readFileSync(target, "utf8")).includes(heading);
}

/** As GitHub makes them: small letters, a dash for each space, nothing but letters, digits, dashes. */
function headingsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
