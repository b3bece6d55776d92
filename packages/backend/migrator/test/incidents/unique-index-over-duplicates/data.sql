INSERT INTO sets (user_id, set_number, quantity) VALUES
  ('ada', '10316-1', 1),
  ('ada', '10316-1', 2),
  ('ada', '10305-1', 1),
  ('otto', '10316-1', 1),
  ('otto', '31141-1', 1),
  ('otto', '31141-1', 1),
  ('otto', '31141-1', 3);
