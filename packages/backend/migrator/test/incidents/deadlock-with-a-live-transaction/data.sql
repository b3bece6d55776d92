INSERT INTO brands (name) VALUES ('LEGO'), ('Barweer');
INSERT INTO sets (id, title) VALUES (1, 'Rivendell'), (2, 'Green Grocer');
INSERT INTO wishlist_items (set_id, notes) VALUES (1, 'for the shelf');
