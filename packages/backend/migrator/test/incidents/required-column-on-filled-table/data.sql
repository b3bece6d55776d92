INSERT INTO moc_instructions (title, designer_name) VALUES
  ('Lighthouse at Dusk', 'Ada'),
  ('Harbour Crane', 'Brick Otto'),
  ('Tiny Tram', NULL);
