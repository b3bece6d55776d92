import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  unique,
  uuid,
} from "drizzle-orm/pg-core";
import { id, isOneOf, timestamps, userId } from "./columns.ts";
import { uploadSessions } from "./uploads.ts";

/** What a file of a MOC is for. */
export const MOC_FILE_KINDS = ["instructions", "parts-list", "thumbnail", "photo"] as const;
/** What a file of a MOC is for. */
export type MocFileKind = (typeof MOC_FILE_KINDS)[number];

/** How far a MOC is: only `published` ones are offered to others, `archived` ones are kept for their owner. */
export const MOC_STATUSES = ["draft", "published", "archived"] as const;
/** How far a MOC is. */
export type MocStatus = (typeof MOC_STATUSES)[number];

/** Who sees a published MOC: its owner, whoever has the link, everybody. */
export const MOC_VISIBILITIES = ["private", "unlisted", "public"] as const;
/** Who sees a published MOC. */
export type MocVisibility = (typeof MOC_VISIBILITIES)[number];

/** Building instructions of a MOC ("my own creation", a model that is no official set). */
export const mocInstructions = pgTable(
  "moc_instructions",
  {
    id: id(),
    userId: userId(),
    title: text("title").notNull(),
    description: text("description"),
    /** Who designed the MOC, as a name to show; often not the owner of the row. */
    designerName: text("designer_name"),
    /** Number of an official set the MOC is built from ("10305-1"), if it is an alternate build. */
    baseSetNumber: text("base_set_number"),
    theme: text("theme"),
    /** 1 (afternoon) to 5 (expert), empty when not rated. */
    difficulty: integer("difficulty"),
    pieceCount: integer("piece_count"),
    /** Free labels given by the owner, searched with `tags @> ARRAY[…]`. */
    tags: text("tags").array().notNull().default(sql`'{}'::text[]`),
    /** Where the MOC was found: site name to page address. */
    sourceLinks: jsonb("source_links").$type<Readonly<Record<string, string>>>().notNull().default({}),
    ...timestamps(),
    /** Last part of the public address, unique for its owner; empty until the MOC is first published. */
    slug: text("slug"),
    status: text("status", { enum: MOC_STATUSES }).notNull().default("draft"),
    visibility: text("visibility", { enum: MOC_VISIBILITIES }).notNull().default("private"),
    /** First publication; stays when the MOC is archived later. */
    publishedAt: timestamp("published_at"),
    /** Chosen by the editors for the front page. */
    featured: boolean("featured").notNull().default(false),
  },
  (table) => [
    unique("moc_instructions_user_slug_unique").on(table.userId, table.slug),
    // The public listing (newest first reads it backwards): drafts and private MOCs never enter this index.
    index("idx_moc_instructions_listed")
      .on(table.publishedAt)
      .where(sql`${table.status} = 'published' AND ${table.visibility} = 'public'`),
    index("idx_moc_instructions_user_created").on(table.userId, table.createdAt),
    index("idx_moc_instructions_tags").using("gin", table.tags),
    check("moc_instructions_difficulty_check", sql`${table.difficulty} BETWEEN 1 AND 5`),
    check("moc_instructions_piece_count_check", sql`${table.pieceCount} >= 0`),
    check("moc_instructions_status_check", isOneOf(table.status, MOC_STATUSES)),
    check("moc_instructions_visibility_check", isOneOf(table.visibility, MOC_VISIBILITIES)),
    check(
      "moc_instructions_published_check",
      sql`${table.status} <> 'published' OR (${table.slug} IS NOT NULL AND ${table.publishedAt} IS NOT NULL)`,
    ),
  ],
);

/** Files of a MOC in object storage: instructions, parts lists, photos. */
export const mocFiles = pgTable(
  "moc_files",
  {
    id: id(),
    mocId: uuid("moc_id")
      .notNull()
      .references(() => mocInstructions.id, { onDelete: "cascade" }),
    userId: userId(),
    kind: text("kind", { enum: MOC_FILE_KINDS }).notNull(),
    fileName: text("file_name").notNull(),
    mimeType: text("mime_type").notNull(),
    sizeBytes: bigint("size_bytes", { mode: "number" }).notNull(),
    /** Key in object storage; the same object is not attached to one MOC twice. */
    storageKey: text("storage_key").notNull(),
    /** Upload that brought the file; empty for files imported in bulk. */
    uploadSessionId: uuid("upload_session_id").references(() => uploadSessions.id, { onDelete: "set null" }),
    /** Set when the owner deletes the file; a job removes the object, then the row, 30 days later. */
    deletedAt: timestamp("deleted_at"),
    ...timestamps(),
  },
  (table) => [
    unique("moc_files_moc_storage_unique").on(table.mocId, table.storageKey),
    index("idx_moc_files_upload_session_id").on(table.uploadSessionId),
    index("idx_moc_files_user_id").on(table.userId),
    index("idx_moc_files_moc_kind").on(table.mocId, table.kind).where(sql`${table.deletedAt} IS NULL`),
    index("idx_moc_files_deleted").on(table.deletedAt).where(sql`${table.deletedAt} IS NOT NULL`),
    check("moc_files_kind_check", isOneOf(table.kind, MOC_FILE_KINDS)),
    check("moc_files_size_check", sql`${table.sizeBytes} >= 0`),
  ],
);

/** A MOC's instructions as read from the database. */
export type MocInstruction = typeof mocInstructions.$inferSelect;
/** What an insert of a MOC's instructions takes. */
export type NewMocInstruction = typeof mocInstructions.$inferInsert;
/** A file of a MOC as read from the database. */
export type MocFile = typeof mocFiles.$inferSelect;
/** What an insert of a file of a MOC takes. */
export type NewMocFile = typeof mocFiles.$inferInsert;
