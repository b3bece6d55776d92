export * from "./gallery.ts";
export * from "./moc-gallery.ts";
export * from "./moc-instructions.ts";
export * from "./parts.ts";
export * from "./sets.ts";
export * from "./uploads.ts";
export * from "./wishlist.ts";
