import { mkdtemp, writeFile, mkdir } from "node:fs/promises";
import { readSettings } from "../src/config.ts";
import { withScratch } from "../src/database/scratch.ts";
import { withUrl } from "../src/database/connect.ts";
import { readFolder } from "../src/folder/read.ts";
import { observe } from "../src/review/observe.ts";
import { preflight } from "../src/review/preflight.ts";
const url = "postgres://postgres@127.0.0.1:54999/pf_huge";
const base = process.argv[2] === "many" ? Array.from({ length: 200 }, (_, i) => `CREATE TABLE t${i} (id int primary key, a text, b int, c timestamptz default now()); CREATE INDEX ON t${i} (a);`).join("\n--> statement-breakpoint\n") : "create table wish (id int primary key, store text, amount int, shop int, note varchar(200)); create table shop(id int primary key)";
const pending = process.argv[2] === "many" ? Array.from({ length: 10 }, (_, i) => `ALTER TABLE t${i} ALTER COLUMN a SET NOT NULL;--> statement-breakpoint\nALTER TABLE t${i} ADD CONSTRAINT c${i} CHECK (b > 0);--> statement-breakpoint\nCREATE UNIQUE INDEX ON t${i} (b);--> statement-breakpoint\nALTER TABLE t${i} ALTER COLUMN a TYPE int USING a::int;`) : [
 "ALTER TABLE wish ALTER COLUMN store SET NOT NULL", "ALTER TABLE wish ADD CONSTRAINT k CHECK (amount >= 0)", "ALTER TABLE wish ADD CONSTRAINT f FOREIGN KEY (shop) REFERENCES shop",
 "CREATE UNIQUE INDEX u ON wish (note)", "CREATE UNIQUE INDEX u2 ON wish (amount, shop)", "CREATE INDEX u3 ON wish (note, store)", "ALTER TABLE wish ALTER COLUMN amount TYPE smallint", "CREATE TYPE s AS ENUM ('Lego','BrickLink'); ALTER TABLE wish ALTER COLUMN store TYPE s USING store::s", "ALTER TABLE wish ALTER COLUMN note TYPE varchar(10)", "ALTER TABLE wish DROP COLUMN note", "DROP TABLE wish"].map(s=>s+";");
const dir = await mkdtemp("/tmp/pf-");
await mkdir(dir + "/meta");
const files = [base, ...pending];
await writeFile(dir + "/meta/_journal.json", JSON.stringify({ version: "7", dialect: "postgresql", entries: files.map((_, idx) => ({ idx, version: "7", when: 1700000000000 + idx, tag: `${String(idx).padStart(4, "0")}_x`, breakpoints: true })) }));
for (const [i, f] of files.entries()) await writeFile(`${dir}/${String(i).padStart(4, "0")}_x.sql`, f);
const settings = await readSettings({ migrations: dir, url });
const folder = await readFolder(settings.migrations);
await withScratch(settings.scratch, url, async (scratch) => observe(settings, scratch, { applied: folder.migrations.slice(0, 1), planned: folder.migrations.slice(1).map(m => ({ migration: m, script: m.up! })) }, new AbortController().signal, async (o) => withUrl(url, async (target) => {
  for (const options of [{ timeoutMs: 5000 }, { timeoutMs: 10000, totalMs: 100000, sampleAboveRows: 1e9 }]) {
    const t = performance.now();
    let last = t;
    const wrapped = { ...target.sql, unsafe: async (text: string) => { const r = await target.sql.unsafe(text); const now = performance.now(); if (process.argv[3] && now - last > 100) console.log(Math.round(now - last), text.slice(0, 200)); last = now; return r; } };
    const found = await preflight(wrapped as never, o, options);
    console.log("ms", performance.now() - t);
    let n = 0;
    for (const [s, fs] of found) for (const f of fs) if (n++ < 20) console.log(s.sql.slice(0, 40), "|", f.outcome, f.message, f.examples.join(";"));
  }
})));
