/** For properties that are yes or no: what is said when the migrations say yes, and when they say no. */
export const WORDS: Readonly<Record<string, readonly [string, string]>> = {
  "column.notNull": ["takes NULL; the migrations say NOT NULL", "is NOT NULL; the migrations let it be NULL"],
  "domain.notNull": ["takes NULL; the migrations say NOT NULL", "is NOT NULL; the migrations let it be NULL"],
  "sequence.cycle": ["is NO CYCLE; the migrations say CYCLE", "is CYCLE; the migrations say NO CYCLE"],
  "column.cycle": ["is NO CYCLE; the migrations say CYCLE", "is CYCLE; the migrations say NO CYCLE"],
  "policy.permissive": [
    "is RESTRICTIVE; the migrations say PERMISSIVE",
    "is PERMISSIVE; the migrations say RESTRICTIVE",
  ],
  "collation.deterministic": [
    "is not deterministic; the migrations say that it is",
    "is deterministic; the migrations say that it is not",
  ],
  "index.valid": ["is INVALID: its build was cut short", "is valid; the migrations leave it INVALID"],
  "constraint.validated": [
    "is NOT VALID: old rows are unchecked",
    "is validated; the migrations say NOT VALID",
  ],
  "table.rowSecurity": [
    "has row level security disabled; the migrations enable it",
    "has row level security enabled; the migrations do not",
  ],
  "table.forceRowSecurity": [
    "does not force row level security; the migrations do",
    "forces row level security; the migrations do not",
  ],
};

/** What a property is called in SQL, or in plain words where SQL has none. */
export const PROPERTIES: Readonly<Record<string, string>> = {
  def: "definition",
  generatedExpr: "expression",
  baseType: "type",
  usingExpr: "USING expression",
  checkExpr: "WITH CHECK expression",
  reloptions: "options",
  enabled: "state",
  ownedBy: "owner",
  generation: "identity GENERATED",
  dataType: "type",
  start: "START",
  increment: "INCREMENT",
  minValue: "MINVALUE",
  maxValue: "MAXVALUE",
  cache: "CACHE",
  cmd: "command",
  argSignature: "arguments",
  returnType: "return type",
  sfunc: "SFUNC",
  stype: "STYPE",
  finalfunc: "FINALFUNC",
  combinefunc: "COMBINEFUNC",
  initcond: "INITCOND",
  lcCollate: "LC_COLLATE",
  lcCtype: "LC_CTYPE",
  subtypeOpclass: "operator class of the subtype",
  subtypeDiff: "SUBTYPE_DIFF",
  multirangeTypeName: "multirange type",
  parentTable: "parent",
  partitionBound: "bounds",
  partitionKey: "partition key",
  persistence: "persistence",
  replicaIdentity: "replica identity",
  replicaIdentityIndex: "replica identity index",
};

/** PostgreSQL's letters, by the property that has them. */
export const CODES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  enabled: { O: "enabled", D: "disabled", R: "enabled on replicas", A: "always enabled" },
  triggerSetting: { O: "enabled", D: "disabled", R: "enabled on replicas", A: "always enabled" },
  persistence: { p: "logged", u: "unlogged" },
  replicaIdentity: { d: "default", f: "full", i: "index", n: "nothing" },
  cmd: { r: "SELECT", a: "INSERT", w: "UPDATE", d: "DELETE", "*": "ALL" },
  provider: { c: "libc", i: "icu", b: "builtin", d: "default" },
  parallel: { s: "SAFE", r: "RESTRICTED", u: "UNSAFE" },
  generation: { a: "ALWAYS", d: "BY DEFAULT" },
  storage: { p: "PLAIN", e: "EXTERNAL", m: "MAIN", x: "EXTENDED" },
  compression: { p: "pglz", l: "lz4" },
};
