import type { Problem } from "./problem.ts";

/** What a plan says of a migration before it runs. */
export interface Expected {
  /** In one line. */
  readonly summary: string;
  /** For how long its locks are held, in words: `for seconds`; null where they keep nobody out. */
  readonly held: string | null;
}

/** What a long-running verb tells while it runs; the command line prints these to stderr or stdout. */
export type Event =
  | { readonly type: "embedded"; readonly url: string; readonly started: boolean }
  | { readonly type: "waiting"; readonly holder: string }
  | { readonly type: "warning"; readonly message: string }
  | { readonly type: "problems"; readonly problems: readonly Problem[] }
  | {
      readonly type: "planned";
      readonly tags: readonly string[];
      readonly direction: "up" | "down";
      /** What down files say on their `-- loses:` lines. */
      readonly loses?: readonly { readonly tag: string; readonly what: string }[];
    }
  | { readonly type: "starting"; readonly tag: string; readonly expected: Expected }
  | {
      readonly type: "ran";
      readonly tag: string;
      readonly durationMs: number;
      readonly direction: "up" | "down";
      readonly expected?: Expected | undefined;
    }
  | { readonly type: "saving" | "restoring"; readonly tag: string; readonly what: string }
  | {
      readonly type: "saved";
      readonly tag: string;
      readonly folder: string;
      readonly rows: number;
      readonly bytes: number;
    }
  | { readonly type: "notice"; readonly tag: string; readonly message: string }
  | {
      readonly type: "retrying";
      readonly tag: string;
      readonly attempt: number;
      readonly reason: string;
      readonly blockers: string | undefined;
    }
  | {
      readonly type: "sighting";
      readonly tag: string;
      readonly blockers: string | undefined;
      readonly progress: string | undefined;
    };

export type Listener = (event: Event) => void;

/** For callers that do not want to hear anything. */
export const SILENT: Listener = () => {};
