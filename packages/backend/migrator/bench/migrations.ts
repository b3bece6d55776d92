/** A generated migration. */
export interface GeneratedMigration {
  /** `0007_add_columns` */
  readonly tag: string;
  /** Six, each with its semicolon. */
  readonly statements: readonly string[];
}

/** How many tables a number of generated migrations makes: every second one makes one. */
export function tablesOf(migrations: number): number {
  return Math.ceil(migrations / 2);
}

/** Migrations as a project gathers them: tables with foreign keys and indexes, then columns and checks. Always the same. */
export function generateMigrations(count: number): readonly GeneratedMigration[] {
  return Array.from({ length: count }, (_, index) => {
    const number = String(index).padStart(4, "0");
    const table = Math.floor(index / 2);
    return index % 2 === 0
      ? { tag: `${number}_create_item_${table}`, statements: createTable(table) }
      : { tag: `${number}_widen_item_${table}`, statements: widenTable(table) };
  });
}

function createTable(table: number): readonly string[] {
  const name = `item_${table}`;
  const parent = `item_${Math.floor(table / 2)}`;
  return [
    `CREATE TABLE "${name}" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"parent_id" uuid,
	"owner" text NOT NULL,
	"title" varchar(200) NOT NULL,
	"amount" integer DEFAULT 0 NOT NULL,
	"price" numeric(10, 2),
	"details" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);`,
    `ALTER TABLE "${name}" ADD CONSTRAINT "${name}_parent_fk" FOREIGN KEY ("parent_id") REFERENCES "public"."${parent}"("id") ON DELETE cascade ON UPDATE no action;`,
    `CREATE INDEX "${name}_owner_idx" ON "${name}" USING btree ("owner");`,
    `CREATE INDEX "${name}_created_idx" ON "${name}" USING btree ("owner","created_at");`,
    `CREATE UNIQUE INDEX "${name}_title_idx" ON "${name}" USING btree ("owner","title");`,
    `ALTER TABLE "${parent}" ADD COLUMN "seen_by_${table}" integer;`,
  ];
}

function widenTable(table: number): readonly string[] {
  const name = `item_${table}`;
  return [
    `ALTER TABLE "${name}" ADD COLUMN "status" text DEFAULT 'new' NOT NULL;`,
    `ALTER TABLE "${name}" ADD COLUMN "tags" text[];`,
    `ALTER TABLE "${name}" ALTER COLUMN "amount" SET DEFAULT 1;`,
    `ALTER TABLE "${name}" ALTER COLUMN "details" SET NOT NULL;`,
    `ALTER TABLE "${name}" ADD CONSTRAINT "${name}_amount_check" CHECK ("${name}"."amount" >= 0);`,
    `CREATE INDEX "${name}_status_idx" ON "${name}" USING btree ("status") WHERE "${name}"."amount" > 0;`,
  ];
}
