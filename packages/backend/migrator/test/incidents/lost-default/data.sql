INSERT INTO moc_instructions (title) VALUES ('Lighthouse at Dusk'), ('Harbour Crane');
