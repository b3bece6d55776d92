INSERT INTO sets (title, minifigs, price_cents) VALUES
  ('Rivendell', 15, 49999),
  ('Tiny Tram', 1, 999),
  -- A typing mistake, and a collection that was entered as one set.
  ('Corner Garage', 6, 2199900000),
  ('Everything in the attic', 812, 9000000000);
