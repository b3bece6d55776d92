import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  date,
  index,
  integer,
  pgTable,
  text,
  timestamp,
  unique,
  uuid,
} from "drizzle-orm/pg-core";
import { id, isOneOf, timestamps, userId } from "./columns.ts";

/** How far an upload session is. */
export const UPLOAD_SESSION_STATUSES = ["open", "completed", "cancelled", "expired"] as const;
/** How far an upload session is. */
export type UploadSessionStatus = (typeof UPLOAD_SESSION_STATUSES)[number];

/** How far a file of an upload session is. */
export const UPLOAD_FILE_STATUSES = ["pending", "uploading", "completed", "failed"] as const;
/** How far a file of an upload session is. */
export type UploadFileStatus = (typeof UPLOAD_FILE_STATUSES)[number];

/** One go at uploading a group of files; can be taken up again until it expires. */
export const uploadSessions = pgTable(
  "upload_sessions",
  {
    id: id(),
    userId: userId(),
    status: text("status", { enum: UPLOAD_SESSION_STATUSES }).notNull().default("open"),
    /** Size every part but a file's last must have. */
    partSizeBytes: integer("part_size_bytes").notNull(),
    /** After this a job aborts the uploads in object storage. */
    expiresAt: timestamp("expires_at").notNull(),
    completedAt: timestamp("completed_at"),
    ...timestamps(),
  },
  (table) => [
    index("idx_upload_sessions_user_created").on(table.userId, table.createdAt),
    // What the clean-up job looks for: sessions still open past their end.
    index("idx_upload_sessions_open_expiry").on(table.expiresAt).where(sql`${table.status} = 'open'`),
    check("upload_sessions_status_check", isOneOf(table.status, UPLOAD_SESSION_STATUSES)),
    check("upload_sessions_part_size_check", sql`${table.partSizeBytes} > 0`),
  ],
);

/** Files of an upload session, each a multipart upload in object storage. */
export const uploadSessionFiles = pgTable(
  "upload_session_files",
  {
    id: id(),
    sessionId: uuid("session_id")
      .notNull()
      .references(() => uploadSessions.id, { onDelete: "cascade" }),
    userId: userId(),
    status: text("status", { enum: UPLOAD_FILE_STATUSES }).notNull().default("pending"),
    fileName: text("file_name").notNull(),
    mimeType: text("mime_type").notNull(),
    sizeBytes: bigint("size_bytes", { mode: "number" }).notNull(),
    /** Key in object storage. */
    storageKey: text("storage_key").notNull(),
    /** Object storage's id of the multipart upload; empty until it has begun. */
    storageUploadId: text("storage_upload_id"),
    ...timestamps(),
  },
  (table) => [
    unique("upload_session_files_session_key_unique").on(table.sessionId, table.storageKey),
    index("idx_upload_session_files_user_id").on(table.userId),
    check("upload_session_files_status_check", isOneOf(table.status, UPLOAD_FILE_STATUSES)),
    check("upload_session_files_size_check", sql`${table.sizeBytes} >= 0`),
  ],
);

/** Parts of a file that object storage has confirmed. */
export const uploadSessionParts = pgTable(
  "upload_session_parts",
  {
    id: id(),
    fileId: uuid("file_id")
      .notNull()
      .references(() => uploadSessionFiles.id, { onDelete: "cascade" }),
    userId: userId(),
    /** 1 to 10,000, the range S3 allows. */
    partNumber: integer("part_number").notNull(),
    sizeBytes: integer("size_bytes").notNull(),
    /** Object storage's receipt, wanted again to complete the upload. */
    etag: text("etag").notNull(),
    ...timestamps(),
  },
  (table) => [
    unique("upload_session_parts_file_part_unique").on(table.fileId, table.partNumber),
    index("idx_upload_session_parts_user_id").on(table.userId),
    check("upload_session_parts_number_check", sql`${table.partNumber} BETWEEN 1 AND 10000`),
    check("upload_session_parts_size_check", sql`${table.sizeBytes} > 0`),
  ],
);

/** What a person has uploaded on one day, for the daily limit. */
export const userDailyUploads = pgTable(
  "user_daily_uploads",
  {
    id: id(),
    userId: userId(),
    /** Day in UTC. */
    day: date("day").notNull(),
    fileCount: integer("file_count").notNull().default(0),
    totalBytes: bigint("total_bytes", { mode: "number" }).notNull().default(0),
    ...timestamps(),
  },
  (table) => [
    unique("user_daily_uploads_user_day_unique").on(table.userId, table.day),
    check("user_daily_uploads_amount_check", sql`${table.fileCount} >= 0 AND ${table.totalBytes} >= 0`),
  ],
);

/** An upload session as read from the database. */
export type UploadSession = typeof uploadSessions.$inferSelect;
/** What an insert of an upload session takes. */
export type NewUploadSession = typeof uploadSessions.$inferInsert;
/** A file of an upload session as read from the database. */
export type UploadSessionFile = typeof uploadSessionFiles.$inferSelect;
/** What an insert of a file of an upload session takes. */
export type NewUploadSessionFile = typeof uploadSessionFiles.$inferInsert;
/** A confirmed part of a file as read from the database. */
export type UploadSessionPart = typeof uploadSessionParts.$inferSelect;
/** What an insert of a confirmed part of a file takes. */
export type NewUploadSessionPart = typeof uploadSessionParts.$inferInsert;
/** A person's uploads of one day as read from the database. */
export type UserDailyUpload = typeof userDailyUploads.$inferSelect;
/** What an insert of a person's uploads of one day takes. */
export type NewUserDailyUpload = typeof userDailyUploads.$inferInsert;
