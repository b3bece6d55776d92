INSERT INTO wishlist_items (title, priority) VALUES
  ('Rivendell', 5),
  -- From the time when the form still let ten stars in.
  ('Medieval Town Square', 10),
  ('Pirate Bay', 0),
  ('Green Grocer', NULL),
  ('Corner Garage', -1);
