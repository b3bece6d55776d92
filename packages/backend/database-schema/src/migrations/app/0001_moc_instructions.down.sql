-- Drops the MOCs and the rows of their files; the files in storage stay.
DROP TABLE "moc_files";--> statement-breakpoint
DROP TABLE "moc_instructions";
