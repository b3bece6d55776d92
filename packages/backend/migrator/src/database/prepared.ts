import { randomBytes } from "node:crypto";
import { messageOf } from "../errors.ts";
import { codeOf, isServerError } from "./failures.ts";
import type { Session } from "./session.ts";

/** A statement of ours that differs from one use to the next in its values alone. */
export interface Template {
  /** Part of a name; the same for what has the same text. */
  readonly name: string;
  /** Of its values, as PostgreSQL calls them. */
  readonly types: readonly string[];
  /** @param values SQL for each: a literal or a parameter */
  sql(values: readonly string[]): string;
}

/** A template with its values, each as a literal. */
export interface Call {
  readonly template: Template;
  readonly values: readonly string[];
}

/** A call made of others, their values one after the other. @param compose puts their texts together */
export function combine(
  name: string,
  parts: readonly Call[],
  compose: (...texts: readonly string[]) => string,
): Call {
  const sql = (values: readonly string[]) => {
    let from = 0;
    const texts = parts.map(({ template }) => {
      const own = values.slice(from, from + template.types.length);
      from += own.length;
      return template.sql(own);
    });
    return compose(...texts);
  };
  const template = {
    name: [name, ...parts.map((part) => part.template.name)].join("_"),
    types: parts.flatMap((part) => part.template.types),
    sql,
  };
  return { template, values: parts.flatMap(({ values }) => values) };
}

/** A call as a statement, or a part of one, that needs nothing prepared. */
export function inlineSql({ template, values }: Call): string {
  return template.sql(values);
}

/** How calls become SQL: prepared, where the server would otherwise plan the same text anew for each of many migrations. */
export interface Preparer {
  /** For what is sent next, outside of a transaction: where it has to be prepared, that is sent by this. */
  sqlOf(call: Call): string;
  /** To be awaited after a failure: what the server has refused to prepare is prepared again once it is needed. */
  settle(): Promise<void>;
  /** Prepares nothing from now on. */
  giveUp(): void;
  /** Whether it prepares. */
  readonly isUsed: boolean;
  /** Takes back what was prepared, without being waited for: a pooler may give the session to others. */
  close(): void;
}

/** @param fresh SQL that brings the session back to its first state, which is what counts for names */
export function createPreparer(session: Session, fresh: string): Preparer {
  const known = new Map<string, { readonly name: string; readonly stands: Promise<boolean> }>();
  // What an earlier run has left behind a pooler speaks of its own ledger.
  const prefix = `${PREFIX}${randomBytes(6).toString("hex")}_`;
  let count = 0;
  let prepares = true;
  const prepare = (template: Template) => {
    const name = `${prefix}${++count}`;
    const body = template.sql(template.types.map((_, index) => `$${index + 1}`));
    const prepared = `prepare ${name} (${template.types.join(", ")}) as ${body}`;
    const stands = session.unsafe(`${fresh}; ${prepared}`).then(
      () => true,
      () => false,
    );
    known.set(template.name, { name, stands });
    return name;
  };
  return {
    sqlOf(call) {
      const { template, values } = call;
      if (!prepares || values.length === 0) return inlineSql(call);
      const name = known.get(template.name)?.name ?? prepare(template);
      return `execute ${name} (${values.join(", ")})`;
    },
    async settle() {
      for (const [key, { stands }] of known) if (!(await stands)) known.delete(key);
    },
    giveUp() {
      prepares = false;
    },
    get isUsed() {
      return prepares;
    },
    close() {
      for (const { name } of known.values()) session.unsafe(`deallocate ${name}`).catch(() => undefined);
    },
  };
}

const PREFIX = "migrator_call_";

/**
 * Whether an error says that what had been prepared is gone or does not hold any more: a migration may say DEALLOCATE ALL, or
 * alter the run log.
 */
export function isUnprepared(cause: unknown): boolean {
  if (codeOf(cause) === "26000") return messageOf(cause).includes(PREFIX);
  return isServerError(cause) && cause.code === "0A000" && cause.routine === "RevalidateCachedQuery";
}
