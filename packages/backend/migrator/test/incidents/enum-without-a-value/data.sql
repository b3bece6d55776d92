INSERT INTO wishlist_items (title, store, price) VALUES
  ('Rivendell', 'LEGO', 499.99),
  ('Medieval Town Square', 'Amazon', 189.00),
  ('Pirate Bay', 'Barweer', 129.50),
  ('Green Grocer', 'BrickLink', 1150.00),
  ('Lion Knights'' Castle', 'Amazon', 349.00);
