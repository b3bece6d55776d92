import { identifier } from "../../../database/sql-text.ts";
import { changedRelations } from "../../changes.ts";
import type { HazardContext } from "../hazard.ts";
import type { Found, Rule } from "../rule.ts";
import { alterTable, spoken, sqlName } from "../words.ts";
import { knownBefore, severityFor } from "./deploys.ts";

export const ROW_SECURITY_RULES: readonly Rule[] = [
  {
    id: "row-security-without-policy",
    severity: "medium",
    title: "Row security is switched on for a table without a policy",
    effect:
      "Every role but the table's owner and superusers sees no row and may write none (42501), without an error for reads: running code finds the table empty.",
    safer: "Create the policies in the same transaction, before the switch.",
    find: withoutPolicy,
  },
];

function withoutPolicy(context: HazardContext): readonly Found[] {
  const { script, statement, facts } = context;
  const fellows = script.statements.filter(({ transaction }) => transaction === statement.transaction);
  const end = (fellows.at(-1) ?? statement).facts;
  return changedRelations(facts, statement.facts).flatMap((table): readonly Found[] => {
    const was = knownBefore(context, table.oid);
    const isSwitchedOn = facts.relations.get(table.oid)?.rowSecurity === false && table.rowSecurity;
    const left = end.relations.get(table.oid);
    if (was === undefined || !isSwitchedOn || !left?.rowSecurity || left.policies > 0) return [];
    return [
      {
        message: `${spoken(was)} has row security from now on and no policy`,
        severity: severityFor(context, was, "medium"),
        safer: [
          `CREATE POLICY ${identifier(`${table.name}_all`)} ON ${sqlName(table)} USING (true);`,
          alterTable(table, "ENABLE ROW LEVEL SECURITY"),
        ].join("\n"),
      },
    ];
  });
}
