-- Drops the parts lists with their lines.
DROP TABLE "moc_parts";--> statement-breakpoint
DROP TABLE "moc_parts_lists";
