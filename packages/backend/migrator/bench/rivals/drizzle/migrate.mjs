// What Drizzle's documentation shows as a migration script: node migrate.mjs <url> <folder>
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";

const [url, migrationsFolder] = process.argv.slice(2);
const sql = postgres(url, { max: 1, onnotice: () => {} });
await migrate(drizzle(sql), { migrationsFolder });
await sql.end();
