/** The database as code sees it: tables, the values of enums, and row types. */
export * from "./schema/index.ts";
