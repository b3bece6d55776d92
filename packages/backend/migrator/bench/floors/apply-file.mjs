// All statements of one file in one transaction, sent without waiting for one another, without any bookkeeping:
// node apply-file.mjs <url> <file>
import { readFile } from "node:fs/promises";
import postgres from "postgres";

const [url, file] = process.argv.slice(2);
const text = await readFile(file, "utf8");
const statements = text.split(";\n").filter((statement) => statement.trim() !== "");
const sql = postgres(url, { max: 1, max_pipeline: 100_000, fetch_types: false, prepare: false });
await Promise.all(["begin", ...statements, "commit"].map((statement) => sql.unsafe(statement)));
await sql.end();
