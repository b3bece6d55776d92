import postgres from "postgres";
import { createTemplate, type Template } from "../../src/index.ts";

/** Says so on standard output each time it is really built. */
export function sharedTemplate(): Promise<Template> {
  return createTemplate("shared by all files", async (url) => {
    console.log("building the shared template");
    const sql = postgres(url, { max: 1 });
    await sql`create table shared as select pg_sleep(0.5)::text as slept`;
    await sql.end();
  });
}
