import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { MigratorError, messageOf } from "../errors.ts";

/** Version of the format that is written; another one is refused. */
const FORMAT = 1;

const columnSchema = z.object({ name: z.string(), type: z.string() });

const partSchema = z.object({
  schema: z.string(),
  table: z.string(),
  /** Whole rows, or columns of a table that stays. */
  kind: z.enum(["table", "columns"]),
  /** In the order in which the file has them; of columns, the key's come first. Types as format_type gives them. */
  columns: z.array(columnSchema),
  /** Names of the columns by which rows of a table that stays are found again; none for whole rows. */
  key: z.array(z.string()),
  rows: z.int(),
  /** Below the backup's folder. */
  file: z.string().check(z.regex(/^[\w.-]+\.copy\.gz$/)),
  bytes: z.int(),
  /** Of the file, in hex. */
  sha256: z.string(),
  /** The last number that the sequence of a column had given, as decimal text. */
  sequences: z.array(z.object({ column: z.string(), lastValue: z.string() })),
});

const manifestSchema = z.object({
  format: z.literal(FORMAT),
  database: z.string(),
  /** e.g. "17.10" */
  server: z.string(),
  /** Version of the migrator. */
  migrator: z.string(),
  /** ISO 8601, UTC. */
  savedAt: z.string(),
  /** The migration that was rolled back, and the hash of its ledger row. */
  tag: z.string(),
  hash: z.string(),
  /** The ledger as it was, in its order; a tag is null where no file has the hash. */
  applied: z.array(z.object({ tag: z.nullable(z.string()), hash: z.string() })),
  tables: z.array(partSchema),
});

/** What lies in a backup, as `manifest.json` tells it. */
export type Manifest = z.output<typeof manifestSchema>;

/** One file of a backup. */
export type SavedPart = Manifest["tables"][number];

export const MANIFEST_FILE = "manifest.json";

export function showManifest(manifest: Omit<Manifest, "format">): string {
  return `${JSON.stringify({ format: FORMAT, ...manifest }, null, 2)}\n`;
}

/** @throws MigratorError `backup-unreadable` */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw unreadable(`${folder} holds no backup: ${MANIFEST_FILE} cannot be read`, [messageOf(cause)], cause);
  });
  const value = parse(path, text);
  const format = (value as { format?: unknown } | null)?.format;
  if (format !== undefined && format !== FORMAT) {
    throw unreadable(
      `${path} has format ${JSON.stringify(format)}, and this version reads format ${FORMAT}`,
      [],
    );
  }
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw unreadable(`${path} is not a backup's manifest`, z.prettifyError(parsed.error).split("\n"));
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable(`${path} is not JSON`, [messageOf(cause)], cause);
  }
}

function unreadable(message: string, details: readonly string[], cause?: unknown): MigratorError {
  return new MigratorError({
    code: "backup-unreadable",
    message,
    details,
    state: "nothing was put back",
    fix: "name the folder that the rollback printed, one that holds manifest.json; one whose name begins with a dot was never finished",
    cause,
  });
}
