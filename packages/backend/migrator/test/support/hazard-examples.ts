import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Between two migrations of an example. */
export const NEXT_MIGRATION = /^-- in the next migration:$/m;

export const EXAMPLES = fileURLToPath(new URL("../hazards/", import.meta.url));

/** A file of a hazard's folder; undefined where it has none. */
export function exampleOf(id: string, name: "bad" | "good"): string | undefined {
  const path = `${EXAMPLES}${id}/${name}.sql`;
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
