import type { MigrationReview, StatementReview } from "../review/reviewed.ts";
import type { Place } from "./github.ts";
import { showFinding, showLock } from "./review-words.ts";

/** One thing that a plan says against a statement, at its place in the repository: what annotations and SARIF are made of. */
export interface Remark {
  /** A hazard's id, or `preflight-` and the check. */
  readonly id: string;
  readonly level: "error" | "warning" | "note";
  readonly message: string;
  readonly place: Place;
  /** The reason in the file, where somebody has accepted it. */
  readonly accepted: string | undefined;
}

const LEVELS = { high: "error", medium: "warning", low: "note" } as const;

/** @param folder the migrations', from the repository's root, with `/` between its parts */
export function remarksOf(migrations: readonly MigrationReview[], folder: string): readonly Remark[] {
  return migrations.flatMap(({ fileName, statements }) =>
    statements.flatMap((statement) => {
      const place = { file: folder === "" ? fileName : `${folder}/${fileName}`, line: statement.line };
      return [...findings(statement, place), ...hazards(statement, place)];
    }),
  );
}

const OUTCOMES = { fails: "error", loses: "warning", depends: "note", unknown: "note" } as const;

function findings({ preflight }: StatementReview, place: Place): readonly Remark[] {
  return preflight.flatMap((finding) => {
    if (finding.outcome === "passes") return [];
    const level = OUTCOMES[finding.outcome];
    return [
      { id: `preflight-${finding.check}`, level, message: showFinding(finding), place, accepted: undefined },
    ];
  });
}

function hazards(statement: StatementReview, place: Place): readonly Remark[] {
  const strong = statement.locks.filter(
    ({ blocks, since }) => blocks !== "nothing" && since === statement.number,
  );
  const locks = strong.map((lock) => showLock(lock, statement));
  return statement.hazards.map(({ id, severity, message, effect, safer, allowed }) => {
    const measured = locks.length === 0 ? [] : [`measured: ${locks.join("; ")}`];
    const form = safer === undefined ? [] : [`safer:\n${safer}`];
    return {
      id,
      level: allowed === undefined ? LEVELS[severity] : "note",
      message: [`${message}. ${effect}`, ...measured, ...form].join("\n"),
      place,
      accepted: allowed,
    };
  });
}
