-- What is there before each example. All tables are full, but of these rows is what they have:
-- rows: drafts 0
-- And an interrupted build has left this index, which is INVALID on the target, and not on the copy:
-- invalid: public.payments_amount_idx
CREATE TYPE order_state AS ENUM ('open', 'paid', 'sent');
CREATE TABLE users (
  id integer PRIMARY KEY,
  email text NOT NULL,
  nickname varchar(50),
  country text DEFAULT 'DE'
);
CREATE UNIQUE INDEX users_email_idx ON users (email);
CREATE TABLE orders (
  id integer PRIMARY KEY,
  user_id integer NOT NULL CONSTRAINT orders_user_fk REFERENCES users (id),
  state order_state NOT NULL DEFAULT 'open',
  total integer,
  note text
);
CREATE INDEX orders_user_idx ON orders (user_id);
CREATE TABLE payments (id integer PRIMARY KEY, order_id integer, amount integer NOT NULL);
CREATE TABLE drafts (id integer PRIMARY KEY, title text, user_id integer);
CREATE TABLE events (id integer NOT NULL, day date NOT NULL, kind text) PARTITION BY RANGE (day);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 (id integer NOT NULL, day date NOT NULL, kind text);
