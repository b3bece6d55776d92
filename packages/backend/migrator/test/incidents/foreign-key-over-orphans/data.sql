INSERT INTO sets (id, title) VALUES (1, 'Rivendell'), (2, 'Green Grocer');
INSERT INTO set_images (set_id, image_url) VALUES
  (1, 'rivendell-front.jpg'),
  (1, 'rivendell-back.jpg'),
  (2, 'grocer.jpg'),
  -- Their sets were deleted, and nothing took them along.
  (7, 'forgotten.jpg'),
  (9, 'lost.jpg'),
  (9, 'lost-too.jpg');
