INSERT INTO sets (title) VALUES ('Rivendell'), ('Green Grocer'), ('Tiny Tram');
