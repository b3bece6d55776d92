// The least that any runner on Node has to do with nothing to apply: node read-ledger.mjs <url>
import postgres from "postgres";

const sql = postgres(process.argv[2], { max: 1, fetch_types: false, prepare: false });
await sql.unsafe("select id, hash, created_at from drizzle.__drizzle_migrations order by id");
await sql.end();
