ALTER TABLE "moc_instructions" ADD COLUMN "visibility" text NOT NULL;
