import { createHash } from "node:crypto";
import type { Catalog } from "../catalog/catalog.ts";
import type { LedgerRow } from "../database/ledger.ts";
import type { PlannedScript } from "./observed.ts";

/** What a plan rests on: while all of it is the same, what it says is true. */
export interface Basis {
  readonly database: string;
  readonly direction: "up" | "down";
  /** Hashes in the ledger, in its order. */
  readonly ledger: readonly string[];
  /** What runs, in this order; hashes are sha256 of the files. */
  readonly files: readonly { readonly file: string; readonly hash: string }[];
  /** Each object of the target's schema with a digest of what it is like. */
  readonly objects: Readonly<Record<string, string>>;
}

export function basisOf({
  database,
  direction,
  ledger,
  planned,
  catalog,
}: {
  readonly database: string;
  readonly direction: Basis["direction"];
  readonly ledger: readonly LedgerRow[];
  readonly planned: readonly PlannedScript[];
  readonly catalog: Catalog;
}): Basis {
  return {
    database,
    direction,
    ledger: ledger.map(({ hash }) => hash),
    files: planned.map(({ script: { fileName, hash } }) => ({ file: fileName, hash })),
    objects: Object.fromEntries(
      catalog.objects.map(({ key, properties }) => [key, digest(properties).slice(0, 16)]),
    ),
  };
}

/** Alike for two equal bases alone. */
export function fingerprintOf(basis: Basis): string {
  return digest(basis);
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** What is not as it was when the plan was made, each in one line. */
export function changesSince(then: Basis, now: Basis): readonly string[] {
  return [
    ...(then.database === now.database
      ? []
      : [`the plan was made for database ${then.database}, this is ${now.database}`]),
    ...(then.direction === now.direction
      ? []
      : [`the plan goes ${then.direction}, this run ${now.direction}`]),
    ...ledgerChanges(then, now),
    ...fileChanges(then, now),
    ...objectChanges(then, now),
  ];
}

function ledgerChanges({ ledger: then }: Basis, { ledger: now }: Basis): readonly string[] {
  if (then.join() === now.join()) return [];
  const won = now.filter((hash) => !then.includes(hash)).map(short);
  const lost = then.filter((hash) => !now.includes(hash)).map(short);
  if (won.length === 0 && lost.length === 0) return ["the ledger's rows are in another order"];
  return [
    ...(won.length === 0 ? [] : [`applied since, by the ledger: ${won.join(", ")}`]),
    ...(lost.length === 0 ? [] : [`no longer in the ledger: ${lost.join(", ")}`]),
  ];
}

function short(hash: string): string {
  return hash.slice(0, 8);
}

function fileChanges({ files: then }: Basis, { files: now }: Basis): readonly string[] {
  const hashOf = new Map(then.map(({ file, hash }) => [file, hash]));
  const names = new Set(now.map(({ file }) => file));
  const changes = now.flatMap(({ file, hash }) => {
    const planned = hashOf.get(file);
    if (planned === undefined) return [`${file} is pending now and is not in the plan`];
    return planned === hash ? [] : [`${file} was edited`];
  });
  const missing = then
    .filter(({ file }) => !names.has(file))
    .map(({ file }) => `${file} is not pending any more`);
  const isSame = changes.length === 0 && missing.length === 0;
  const order = (files: Basis["files"]) => files.map(({ file }) => file).join("\0");
  return isSame && order(then) !== order(now) ? ["the files run in another order"] : [...changes, ...missing];
}

function objectChanges({ objects: then }: Basis, { objects: now }: Basis): readonly string[] {
  const keys = [...new Set([...Object.keys(then), ...Object.keys(now)])].sort();
  return keys.flatMap((key) => {
    if (then[key] === now[key]) return [];
    if (then[key] === undefined) return [`${key} was made`];
    return [now[key] === undefined ? `${key} is gone` : `${key} was changed`];
  });
}
