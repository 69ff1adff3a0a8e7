-- Objects that need each other, for choosing some of them.
CREATE DATABASE scope TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\connect scope
CREATE ROLE scope_reader;
CREATE SCHEMA app;
CREATE SCHEMA audit;
CREATE SCHEMA ref;
CREATE TYPE ref.mood AS ENUM ('calm', 'tired');
CREATE FUNCTION ref.is_short(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT length($1) < 9';
CREATE DOMAIN ref.short AS text CHECK (ref.is_short(VALUE));
CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION app.unrelated() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE app.customers (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name ref.short NOT NULL, mood ref.mood
);
CREATE TABLE app.orders (
    id serial PRIMARY KEY, customer int NOT NULL REFERENCES app.customers, amount numeric
);
CREATE INDEX orders_amount ON app.orders (amount);
CREATE STATISTICS app.orders_both ON customer, amount FROM app.orders;
CREATE TRIGGER noted BEFORE INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION audit.note();
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.orders USING (customer > 0);
CREATE TABLE app.events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE audit.events_2026 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX events_at ON app.events (at);
CREATE TABLE app.base (id int, label text);
CREATE TABLE app.derived (extra int) INHERITS (app.base);
CREATE VIEW app.big AS SELECT * FROM app.orders WHERE amount > 10;
CREATE VIEW app.bigger AS SELECT * FROM app.big WHERE amount > 100;
CREATE VIEW app.grouped AS SELECT id, name, count(*) FROM app.customers GROUP BY id;
CREATE MATERIALIZED VIEW app.totals AS SELECT customer, sum(amount) AS total FROM app.orders GROUP BY 1;
CREATE UNIQUE INDEX totals_customer ON app.totals (customer);
CREATE TABLE audit.log (line text);
CREATE SEQUENCE ref.numbers;
CREATE TABLE app.numbered (n bigint DEFAULT nextval('ref.numbers'));
CREATE PUBLICATION ordered FOR TABLE app.orders;
COMMENT ON TABLE app.orders IS 'what was ordered';
COMMENT ON COLUMN app.orders.amount IS 'in cents';
COMMENT ON INDEX app.orders_amount IS 'for sums';
COMMENT ON FUNCTION app.unrelated() IS 'nobody needs it';
COMMENT ON DATABASE scope IS 'all of it';
GRANT SELECT ON app.orders, audit.log TO scope_reader;
GRANT USAGE ON SCHEMA app TO scope_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO scope_reader;
SELECT lo_from_bytea(4711, 'large');
INSERT INTO app.customers (name, mood) VALUES ('Ada', 'calm'), ('Bob', 'tired');
INSERT INTO app.orders (customer, amount) VALUES (1, 5), (1, 50), (2, 500);
INSERT INTO app.events VALUES ('2025-05-05', 'then'), ('2026-06-06', 'now');
INSERT INTO app.base VALUES (1, 'base');
INSERT INTO app.derived VALUES (2, 'derived', 3);
INSERT INTO app.numbered DEFAULT VALUES;
INSERT INTO audit.log VALUES ('first');
REFRESH MATERIALIZED VIEW app.totals;
