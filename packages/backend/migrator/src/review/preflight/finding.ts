/** What the target's rows say to a statement. */
export interface Finding {
  /** Stable, kebab-case: `not-null`, `unique`, `foreign-key`, … */
  readonly check: string;
  /** Table, column or constraint as the target has it. */
  readonly object: string;
  /**
   * `fails`: the statement would. `loses`: it runs, and rows or values are gone. `depends`: an earlier statement of the plan
   * changes what was looked at. `unknown`: it could not be looked at. `passes`: nothing is in the way.
   */
  readonly outcome: "passes" | "fails" | "loses" | "depends" | "unknown";
  /** In one sentence: "2 rows have store = 'Amazon', which is no label of wish_store". */
  readonly message: string;
  /** Rows, or groups of rows, that are in the way; null where they were not counted. */
  readonly count: number | null;
  /** Whether only a part of the rows was looked at. */
  readonly sampled: boolean;
  /** Up to three, by key: `id = 7`. */
  readonly examples: readonly string[];
  /** `0008_x.sql, statement 2` */
  readonly dependsOn: string | undefined;
}
