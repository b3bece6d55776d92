INSERT INTO wishlist_items (title) VALUES ('Rivendell'), ('Pirate Bay');
