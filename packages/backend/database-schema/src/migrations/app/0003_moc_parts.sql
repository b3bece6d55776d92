CREATE TABLE "moc_parts" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"parts_list_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"part_number" text NOT NULL,
	"name" text,
	"color" text NOT NULL,
	"quantity" integer NOT NULL,
	"unit_price" numeric(10, 2),
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "moc_parts_list_part_color_unique" UNIQUE("parts_list_id","part_number","color"),
	CONSTRAINT "moc_parts_quantity_check" CHECK ("moc_parts"."quantity" > 0),
	CONSTRAINT "moc_parts_unit_price_check" CHECK ("moc_parts"."unit_price" >= 0)
);
--> statement-breakpoint
CREATE TABLE "moc_parts_lists" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"moc_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"file_id" uuid,
	"title" text NOT NULL,
	"notes" text,
	"built" boolean DEFAULT false NOT NULL,
	"purchased" boolean DEFAULT false NOT NULL,
	"estimated_cost" numeric(10, 2),
	"actual_cost" numeric(10, 2),
	"created_at" timestamp DEFAULT now() NOT NULL,
	"updated_at" timestamp DEFAULT now() NOT NULL,
	CONSTRAINT "moc_parts_lists_cost_check" CHECK ("moc_parts_lists"."estimated_cost" >= 0 AND "moc_parts_lists"."actual_cost" >= 0)
);
--> statement-breakpoint
ALTER TABLE "moc_parts" ADD CONSTRAINT "moc_parts_parts_list_id_moc_parts_lists_id_fk" FOREIGN KEY ("parts_list_id") REFERENCES "public"."moc_parts_lists"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "moc_parts_lists" ADD CONSTRAINT "moc_parts_lists_moc_id_moc_instructions_id_fk" FOREIGN KEY ("moc_id") REFERENCES "public"."moc_instructions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "moc_parts_lists" ADD CONSTRAINT "moc_parts_lists_file_id_moc_files_id_fk" FOREIGN KEY ("file_id") REFERENCES "public"."moc_files"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idx_moc_parts_user_part" ON "moc_parts" USING btree ("user_id","part_number");--> statement-breakpoint
CREATE INDEX "idx_moc_parts_lists_moc_id" ON "moc_parts_lists" USING btree ("moc_id");--> statement-breakpoint
CREATE INDEX "idx_moc_parts_lists_file_id" ON "moc_parts_lists" USING btree ("file_id");--> statement-breakpoint
CREATE INDEX "idx_moc_parts_lists_user_built" ON "moc_parts_lists" USING btree ("user_id","built");