import { VERSION } from "../version.ts";
import type { Remark } from "./remarks.ts";

/** What a plan says, for code scanning: SARIF 2.1.0 (OASIS). What a file accepts is there, suppressed with its reason. */
export function sarifOf(remarks: readonly Remark[]): unknown {
  const ids = [...new Set(remarks.map(({ id }) => id))].sort();
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "migrator", version: VERSION, rules: ids.map((id) => ({ id })) } },
        results: remarks.map(({ id, level, message, place, accepted }) => ({
          ruleId: id,
          ruleIndex: ids.indexOf(id),
          level,
          message: { text: message },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: encodeURI(place.file), uriBaseId: "%SRCROOT%" },
                region: { startLine: place.line },
              },
            },
          ],
          ...(accepted === undefined
            ? {}
            : { suppressions: [{ kind: "inSource", justification: accepted }] }),
        })),
        columnKind: "unicodeCodePoints",
      },
    ],
  };
}
