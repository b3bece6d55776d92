INSERT INTO sets (user_id, title, set_number)
SELECT md5((n % 5000)::text), 'Set ' || md5(n::text), (n % 20000) || '-1' FROM generate_series(1, 200000) AS n;
