import { readFile, rename, writeFile } from "node:fs/promises";
import * as z from "zod/mini";
import { EXIT, MigratorError, messageOf } from "../errors.ts";
import { type Basis, changesSince, fingerprintOf } from "./basis.ts";
import type { Review } from "./review.ts";

const text = z.string();

const fileSchema = z.object({
  format: z.literal(1),
  fingerprint: text,
  reviewedAt: text,
  basis: z.object({
    database: text,
    direction: z.enum(["up", "down"]),
    ledger: z.array(text),
    files: z.array(z.object({ file: text, hash: text })),
    objects: z.record(text, text),
  }),
  migrations: z.array(
    z.looseObject({
      tag: text,
      summary: z.looseObject({
        tables: z.number(),
        worstMode: z.nullable(z.string()),
        held: z.enum(["instant", "seconds", "minutes", "unknown"]),
        heldMs: z.nullable(z.number()),
        rows: z.number(),
        hazards: z.object({ high: z.number(), medium: z.number(), low: z.number() }),
        fails: z.number(),
        loses: z.number(),
        tookMs: z.nullable(z.number()),
      }),
    }),
  ),
});

/** A plan that was written before, for a run to be held to. */
export type PlanFile = z.infer<typeof fileSchema>;

/** A plan as JSON holds it, with the fingerprint of what it rests on. */
export function documentOf({ basis, ...review }: Review): object {
  return { ...(basis && { fingerprint: fingerprintOf(basis) }), ...review };
}

/** Writes a plan with its basis, whole or not at all. @throws MigratorError `plan-not-written` */
export async function writePlan(path: string, review: Review): Promise<void> {
  const draft = `${path}.${process.pid}`;
  try {
    await writeFile(
      draft,
      `${JSON.stringify({ format: 1, basis: review.basis, ...documentOf(review) }, null, 2)}\n`,
    );
    await rename(draft, path);
  } catch (cause) {
    throw new MigratorError({
      code: "plan-not-written",
      message: `the plan could not be written to ${path}: ${messageOf(cause)}`,
      state: "nothing was changed",
      fix: "name a file in a folder that is there and may be written",
      exitCode: EXIT.refused,
      cause,
    });
  }
}

/** @throws MigratorError `plan-unreadable` */
export async function readPlan(path: string): Promise<PlanFile> {
  const refuse = (message: string, cause?: unknown) =>
    new MigratorError({
      code: "plan-unreadable",
      message: `${path} ${message}`,
      state: "nothing was applied",
      fix: "make it anew: migrator plan --out <file>",
      exitCode: EXIT.refused,
      cause,
    });
  const content = await readFile(path, "utf8").catch((cause: unknown) => {
    throw refuse(`cannot be read: ${messageOf(cause)}`, cause);
  });
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (cause) {
    throw refuse(`is no JSON: ${messageOf(cause)}`, cause);
  }
  const parsed = z.safeParse(fileSchema, value);
  if (!parsed.success) throw refuse("is no plan of this version of the migrator", parsed.error);
  const plan = parsed.data;
  if (fingerprintOf(plan.basis) !== plan.fingerprint)
    throw refuse("was changed after it had been written: its fingerprint is not that of its content");
  return plan;
}

/** Another database differs in everything. */
const MOST_TOLD = 20;

/** @throws MigratorError `plan-outdated` where anything that the plan rests on has changed */
export function assertAsPlanned(plan: PlanFile, now: Basis): void {
  const changes = changesSince(plan.basis, now);
  if (changes.length === 0) return;
  throw new MigratorError({
    code: "plan-outdated",
    message: `the plan of ${plan.reviewedAt} does not hold any more: ${changes.length} ${changes.length === 1 ? "thing has" : "things have"} changed since`,
    details:
      changes.length > MOST_TOLD
        ? [...changes.slice(0, MOST_TOLD), `and ${changes.length - MOST_TOLD} more`]
        : changes,
    state: "nothing was applied",
    fix: "look at what would happen now, and write the plan anew: migrator plan --out <file>",
    exitCode: EXIT.refused,
  });
}
