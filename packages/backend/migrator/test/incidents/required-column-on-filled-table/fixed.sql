ALTER TABLE "moc_instructions" ADD COLUMN "visibility" text DEFAULT 'private' NOT NULL;
