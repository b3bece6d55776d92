import { MigratorError } from "./errors.ts";
import { assertKnownKeys } from "./limits.ts";

/** PostgreSQL cuts longer names off without an error, in a NOTICE alone. */
export const LONGEST_NAME_BYTES = 63;

interface LedgerInput {
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
}

const USUAL = { schema: "drizzle", table: "__drizzle_migrations" } as const;

/**
 * The ledger's name: what the caller says ranks before the config file.
 * @param configFile as messages name it
 * @throws MigratorError `setting-invalid`
 */
export function readLedgerName(given: LedgerInput, config: LedgerInput, configFile: string) {
  const known = Object.keys(USUAL) as readonly (keyof typeof USUAL)[];
  assertKnownKeys("ledger", given, known);
  const nameOf = (key: keyof typeof USUAL): string => {
    if (given[key] !== undefined) return checkName(`ledger.${key}`, given[key]);
    return checkName(`ledger.${key} in ${configFile}`, config[key] ?? USUAL[key]);
  };
  return { schema: nameOf("schema"), table: nameOf("table") };
}

/**
 * A name that PostgreSQL keeps as it is. @param setting as the user knows it: a flag or a key
 * @throws MigratorError `setting-invalid`
 */
export function checkName(setting: string, name: unknown): string {
  const shown = JSON.stringify(name);
  if (typeof name !== "string" || name === "" || name.includes("\0"))
    throw invalid(
      `${setting}: ${shown} is not a name`,
      "give the name that the database has, without quotes",
    );
  const kept = cutName(name, LONGEST_NAME_BYTES);
  if (kept === name) return name;
  throw invalid(
    `${setting}: ${shown} is longer than the ${LONGEST_NAME_BYTES} bytes that PostgreSQL keeps of a name`,
    `say what it keeps: ${JSON.stringify(kept)}`,
  );
}

/** The first whole characters of a name that fit into so many bytes of UTF-8. */
export function cutName(name: string, bytes: number): string {
  let kept = "";
  for (const character of name) {
    if (Buffer.byteLength(kept + character) > bytes) break;
    kept += character;
  }
  return kept;
}

function invalid(message: string, fix: string): MigratorError {
  return new MigratorError({ code: "setting-invalid", message, state: "nothing was done", fix });
}
