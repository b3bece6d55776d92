import pc from "picocolors";

/** Where a verb prints: results to stdout, diagnostics to stderr, and with `--json` one document on stdout. */
export interface Output {
  readonly json: boolean;
  /** A line of the result; nothing with `--json`. */
  line(text: string): void;
  /** A line about how it goes. */
  note(text: string): void;
  /** The result as a value; nothing without `--json`. */
  document(value: unknown): void;
}

/** @param clean takes secrets out of every line and, of a document, every text in it: its keys are no secrets */
export function createOutput(json: boolean, clean: (text: string) => string): Output {
  const cleanValue = (_: string, value: unknown) => (typeof value === "string" ? clean(value) : value);
  return {
    json,
    line: (text) => {
      if (!json) process.stdout.write(`${clean(text)}\n`);
    },
    note: (text) => {
      process.stderr.write(`${clean(text)}\n`);
    },
    document: (value) => {
      if (json) process.stdout.write(`${JSON.stringify(value, cleanValue, 2)}\n`);
    },
  };
}

/** Colours for stderr, where diagnostics go; none when it is not a terminal or NO_COLOR is set. */
export const noteColors = pc.createColors(pc.isColorSupported && process.stderr.isTTY === true);

/** Colours for stdout. */
export const lineColors = pc.createColors(pc.isColorSupported && process.stdout.isTTY === true);
