import type { Rule } from "./rule.ts";
import { ENUM_RULES } from "./rules/enums.ts";
import { FOREIGN_KEY_RULES } from "./rules/foreign-keys.ts";
import { GONE_RULES } from "./rules/gone.ts";
import { INDEX_RULES } from "./rules/indexes.ts";
import { LOCK_ORDER_RULES } from "./rules/lock-order.ts";
import { REWRITE_RULES } from "./rules/rewrites.ts";
import { ROW_LOCK_RULES } from "./rules/row-locks.ts";
import { ROW_SECURITY_RULES } from "./rules/row-security.ts";
import { SCAN_RULES } from "./rules/scans.ts";
import { STRICTER_RULES } from "./rules/stricter.ts";
import { TRANSACTION_RULES } from "./rules/transactions.ts";

/**
 * The migrator's own rules. They are there where squawk, which reads only the text, is blind or lacks context: what was
 * measured, what the plan itself makes, how many rows there are, what else is in the transaction.
 */
export const RULES: readonly Rule[] = [
  ...SCAN_RULES,
  ...REWRITE_RULES,
  ...TRANSACTION_RULES,
  ...LOCK_ORDER_RULES,
  ...FOREIGN_KEY_RULES,
  ...INDEX_RULES,
  ...ENUM_RULES,
  ...GONE_RULES,
  ...STRICTER_RULES,
  ...ROW_SECURITY_RULES,
  ...ROW_LOCK_RULES,
];
