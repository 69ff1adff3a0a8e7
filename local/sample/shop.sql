-- A web shop: most of the rows, and most kinds of objects a customer may own.
CREATE SCHEMA app;
CREATE SCHEMA "We ird.Sch""ema";
CREATE SCHEMA reports;
COMMENT ON SCHEMA app IS 'orders and what leads to them';

CREATE TYPE app.status AS ENUM ('new', 'paid', 'it''s shipped', 'cancelled');
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
CREATE TYPE app.address AS (street text, zip text, city text);
CREATE SEQUENCE app.invoice_number START 1000 INCREMENT 7;
SELECT setval('app.invoice_number', 12345);

CREATE FUNCTION app.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed := now();
    RETURN NEW;
END
$$;
CREATE PROCEDURE app.cancel_stale() LANGUAGE plpgsql SECURITY DEFINER SET search_path = app AS $$
BEGIN
    UPDATE app.orders SET status = 'cancelled' WHERE status = 'new' AND placed < '2020-01-01';
END
$$;

CREATE TABLE app.customer (
    id integer GENERATED ALWAYS AS IDENTITY (START 100) PRIMARY KEY,
    name text NOT NULL,
    email text UNIQUE,
    home app.address,
    tags text[] NOT NULL DEFAULT '{}',
    profile jsonb,
    discount numeric(5, 2) CHECK (discount < 100),
    score double precision,
    last_seen_from inet,
    changed timestamptz DEFAULT '2026-01-01 00:00:00+00'
);
INSERT INTO app.customer (name, email, home, tags, profile, discount, score, last_seen_from)
SELECT
    CASE g % 7
        WHEN 0 THEN E'tab\there\nnewline\\back\r return' WHEN 1 THEN '\.' WHEN 2 THEN ''
        WHEN 3 THEN E'\\N' WHEN 4 THEN 'Łucja Ñandú 漢字 🙂 ' || g ELSE 'customer ' || g
    END,
    CASE WHEN g % 11 > 0 THEN 'c' || g || '@example.com' END,
    ROW ('street ' || g, lpad(g::text, 5, '0'), E'city\t"quoted", with comma')::app.address,
    ARRAY['a', NULL, E'q"\n'],
    jsonb_build_object('visits', g, 'note', E'line\nbreak'),
    g % 90 / 3.0,
    CASE WHEN g % 50 = 0 THEN 'NaN' ELSE g / 7.0 END,
    '10.0.0.1'::inet + g
FROM generate_series(1, pg_temp.rows(15000)) g;

CREATE TABLE app.product (
    id serial PRIMARY KEY,
    name text NOT NULL,
    price_cents app.positive NOT NULL,
    price numeric GENERATED ALWAYS AS (price_cents / 100.0) STORED,
    picture bytea,
    sold_during daterange
);
INSERT INTO app.product (name, price_cents, picture, sold_during)
SELECT 'product ' || g, 1 + g * 37 % 9999, decode(repeat(md5(g::text), 8), 'hex'),
    daterange('2020-01-01'::date + g, '2020-01-01'::date + g + 300)
FROM generate_series(1, pg_temp.rows(1500)) g;

CREATE TABLE app.orders (
    id bigserial PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES app.customer (id) DEFERRABLE INITIALLY DEFERRED,
    replaces bigint REFERENCES app.orders (id),
    status app.status NOT NULL DEFAULT 'new',
    invoice integer DEFAULT nextval('app.invoice_number'),
    placed timestamptz NOT NULL,
    changed timestamptz
);
INSERT INTO app.orders (customer_id, replaces, status, placed)
SELECT 100 + g % pg_temp.rows(15000), nullif(g % 100, 0), (enum_range(NULL::app.status))[1 + g % 4],
    '2024-01-01'::timestamptz + g * interval '7 minutes'
FROM generate_series(1, pg_temp.rows(40000)) g;
CREATE TRIGGER touch BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();

CREATE TABLE app.order_line (
    order_id bigint NOT NULL REFERENCES app.orders (id) ON DELETE CASCADE,
    line smallint NOT NULL,
    product_id integer NOT NULL REFERENCES app.product (id),
    quantity app.positive NOT NULL,
    remark text,
    PRIMARY KEY (order_id, line)
);
INSERT INTO app.order_line
SELECT 1 + g / 3, g % 3, 1 + g % pg_temp.rows(1500), 1 + g % 9,
    CASE WHEN g % 4 = 0 THEN repeat('please ', g % 20) END
FROM generate_series(0, pg_temp.rows(40000) * 3 - 1) g;

CREATE TABLE app.event (
    at date NOT NULL, customer integer NOT NULL, kind text, payload text
) PARTITION BY RANGE (at);
CREATE TABLE app.event_2024 PARTITION OF app.event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE app.event_2025 PARTITION OF app.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
    PARTITION BY HASH (customer);
CREATE TABLE app.event_2025_0 PARTITION OF app.event_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.event_2025_1 PARTITION OF app.event_2025 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE app.event_other PARTITION OF app.event DEFAULT;
INSERT INTO app.event
SELECT '2023-12-01'::date + g % 900, g, 'kind ' || g % 5, md5(g::text) || repeat('.', g % 50)
FROM generate_series(1, pg_temp.rows(60000)) g;
ALTER TABLE app.event ADD PRIMARY KEY (at, customer);
CREATE INDEX ON app.event (kind);

CREATE TABLE "We ird.Sch""ema"."Tab""le x'y" ("Co l" integer PRIMARY KEY, "select" text, "ünï" text);
INSERT INTO "We ird.Sch""ema"."Tab""le x'y" SELECT g, 'v' || g, 'ü' FROM generate_series(1, 2000) g;
CREATE TABLE app.one_column (t text);
INSERT INTO app.one_column
SELECT CASE g % 4 WHEN 0 THEN '' WHEN 1 THEN '\.' WHEN 2 THEN NULL ELSE E'\n\n' END
FROM generate_series(1, pg_temp.rows(8000)) g;
CREATE TABLE app.no_columns ();
INSERT INTO app.no_columns SELECT FROM generate_series(1, 100);
CREATE TABLE app.empty (a integer, b text);
CREATE TABLE app.base (a integer, b text);
CREATE TABLE app.heir (c integer) INHERITS (app.base);
INSERT INTO app.base SELECT g, 'base' FROM generate_series(1, 100) g;
INSERT INTO app.heir SELECT g, 'heir', g FROM generate_series(1, 200) g;
CREATE UNLOGGED TABLE app.basket AS SELECT g AS id FROM generate_series(1, 500) g;
CREATE TABLE app.long_row AS SELECT g AS id, string_agg(md5((g * s)::text), E'\n') AS body
FROM generate_series(1, pg_temp.rows(150)) g, generate_series(1, 900) s GROUP BY g;

SET CONSTRAINTS ALL IMMEDIATE;
CREATE INDEX ON app.customer (lower(name));
CREATE INDEX ON app.customer USING gin (profile);
CREATE INDEX customer_discounted ON app.customer (discount) WHERE discount > 20;
CREATE UNIQUE INDEX ON app.product (id) INCLUDE (name);
CREATE INDEX ON app.product (app.shout(name));
CREATE STATISTICS app.order_statistics ON customer_id, status FROM app.orders;
ALTER TABLE app.product ADD CONSTRAINT cheap CHECK (price_cents < 1000000) NOT VALID;
ALTER TABLE app.customer CLUSTER ON customer_pkey;
ALTER TABLE app.orders SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE app.base REPLICA IDENTITY FULL;

CREATE VIEW app.open_order AS SELECT id, customer_id, placed FROM app.orders WHERE status = 'new';
CREATE VIEW app.safe_customer WITH (security_barrier) AS SELECT id, name FROM app.customer;
CREATE MATERIALIZED VIEW app.revenue AS
SELECT product_id, sum(quantity) AS sold FROM app.order_line GROUP BY product_id;
CREATE UNIQUE INDEX ON app.revenue (product_id);
CREATE MATERIALIZED VIEW app.total AS SELECT sum(sold) AS sold FROM app.revenue;
CREATE MATERIALIZED VIEW app.not_yet AS SELECT 1 AS x WITH NO DATA;
CREATE RULE no_rows AS ON INSERT TO app.empty DO INSTEAD NOTHING;
CREATE AGGREGATE app.longest (text) (SFUNC = textcat, STYPE = text);

ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY everyone_reads ON app.orders FOR SELECT USING (true);
CREATE POLICY web_writes ON app.orders FOR UPDATE TO shop_web USING (status = 'new') WITH CHECK (id > 0);
GRANT USAGE ON SCHEMA app TO app_readonly, shop_web;
GRANT SELECT ON ALL TABLES IN SCHEMA app TO app_readonly;
GRANT SELECT, INSERT, UPDATE ON app.orders, app.order_line TO app_writer WITH GRANT OPTION;
GRANT UPDATE (name, email) ON app.customer TO shop_web;
GRANT USAGE ON SEQUENCE app.invoice_number TO app_writer;
GRANT EXECUTE ON PROCEDURE app.cancel_stale() TO "Reporting Team";
REVOKE EXECUTE ON FUNCTION app.shout(text) FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO app_readonly;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO app_writer;
COMMENT ON TABLE app.orders IS E'several\nlines of "comment"';
COMMENT ON COLUMN app.customer.email IS 'may be missing';
COMMENT ON INDEX app.customer_discounted IS 'for the newsletter';

SELECT count(lo_from_bytea(g::oid, decode(repeat(md5(g::text), 1 + g % 900), 'hex')))
FROM generate_series(70001, 70000 + pg_temp.rows(100)) g;
COMMENT ON LARGE OBJECT 70001 IS 'a contract';
GRANT SELECT ON LARGE OBJECT 70001 TO app_readonly;

RESET SESSION AUTHORIZATION;
ALTER SCHEMA reports OWNER TO "Reporting Team";
SET SESSION AUTHORIZATION "Reporting Team";
CREATE TABLE reports.room (name text, booked tsrange, EXCLUDE USING gist (booked WITH &&));
INSERT INTO reports.room SELECT 'blue', tsrange('2026-01-01'::timestamp + g * interval '1 day',
    '2026-01-01'::timestamp + g * interval '1 day' + interval '3 hours') FROM generate_series(1, 200) g;
CREATE VIEW reports.early AS SELECT name, booked FROM reports.room WHERE lower(booked) < '2026-03-01';
