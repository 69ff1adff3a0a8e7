-- A few hundred rows that hold a bit of everything.
CREATE SCHEMA "Sch ema";
CREATE TYPE "Sch ema".mood AS ENUM ('sad', 'it''s fine');
CREATE TABLE "Sch ema".parent (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    mood "Sch ema".mood DEFAULT 'sad',
    doubled integer GENERATED ALWAYS AS (length(name) * 2) STORED
);
INSERT INTO "Sch ema".parent (name)
SELECT CASE g % 4 WHEN 0 THEN E'tab\t newline\n back\\slash' WHEN 1 THEN '\.' WHEN 2 THEN ''
    ELSE 'Größe 漢字 ' || g END
FROM generate_series(1, 120) g;
CREATE TABLE "Sch ema"."Child ""x""" (
    id serial PRIMARY KEY,
    parent integer NOT NULL REFERENCES "Sch ema".parent (id),
    amount numeric(8, 2) CHECK (amount >= 0)
);
INSERT INTO "Sch ema"."Child ""x""" (parent, amount)
SELECT 1 + g % 120, g / 10.0 FROM generate_series(1, 200) g;
CREATE INDEX ON "Sch ema"."Child ""x""" (parent);
CREATE TABLE part (k integer, v text, PRIMARY KEY (k)) PARTITION BY RANGE (k);
CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (0) TO (50);
CREATE TABLE part_rest PARTITION OF part DEFAULT;
INSERT INTO part SELECT g, 'v' || g FROM generate_series(0, 99) g;
CREATE TABLE empty (id integer);
CREATE VIEW long_names AS SELECT id, name FROM "Sch ema".parent WHERE length(name) > 5;
CREATE MATERIALIZED VIEW totals AS
SELECT parent, sum(amount) AS amount FROM "Sch ema"."Child ""x""" GROUP BY parent;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON empty FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE "Sch ema".parent ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON "Sch ema".parent TO app_readonly USING (true);
GRANT USAGE ON SCHEMA "Sch ema" TO app_readonly;
GRANT SELECT ON "Sch ema".parent TO app_readonly;
GRANT SELECT ON "Sch ema".parent TO "o'Brien, Ltd." WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA "Sch ema" GRANT SELECT ON TABLES TO app_readonly;
COMMENT ON TABLE "Sch ema".parent IS E'two\nlines';
SELECT lo_from_bytea(4242, 'a large object');
GRANT SELECT ON LARGE OBJECT 4242 TO app_readonly;
