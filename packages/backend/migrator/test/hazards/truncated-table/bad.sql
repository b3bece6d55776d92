TRUNCATE "payments";
