INSERT INTO moc_instructions (id, title, pdf_url) VALUES
  (1, 'Lighthouse at Dusk', 'mocs/1/lighthouse.pdf'),
  (2, 'Harbour Crane', NULL),
  (3, 'Tiny Tram', 'mocs/3/tram.pdf');
