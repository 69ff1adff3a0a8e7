-- A nasty catalogue: what a dump may hold, little of it. For psql, in an empty database of any major
-- from 13, as a superuser, with roles.sql there. `-v scale=5` makes fewer rows, `-v brief=1` ends
-- halfway, which keeps an archive small enough for this folder.
\set ON_ERROR_STOP 1
\if :{?scale}
\else
\set scale 100
\endif
SELECT :SERVER_VERSION_NUM >= 140000 AS pg14, :SERVER_VERSION_NUM >= 150000 AS pg15,
  :SERVER_VERSION_NUM >= 160000 AS pg16, :SERVER_VERSION_NUM >= 170000 AS pg17,
  :SERVER_VERSION_NUM >= 180000 AS pg18 \gset
SET client_min_messages = error;
SET client_encoding = 'UTF8';

CREATE SCHEMA app AUTHORIZATION app_owner;
CREATE SCHEMA "We ird.Sch""ema";
COMMENT ON SCHEMA app IS 'multi
line; -- \connect "x" /* $$ é';
GRANT USAGE ON SCHEMA app TO app_ro;

-- Types --------------------------------------------------------------------------------------
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'it''s fine');
ALTER TYPE app.mood ADD VALUE E'back\\slash' BEFORE 'ok';
ALTER TYPE app.mood OWNER TO app_owner;
CREATE DOMAIN app.posint AS int CONSTRAINT "pos it'ive" CHECK (VALUE > 0);
CREATE TYPE app.pair AS (a int, b text);

-- Rows of every kind -------------------------------------------------------------------------
CREATE TABLE app.parent (
  id int GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL,
  m app.mood,
  p app.posint,
  arr text[],
  comp app.pair,
  bin bytea,
  js jsonb,
  n numeric,
  twice numeric GENERATED ALWAYS AS (n * 2) STORED,
  dbl double precision,
  net inet,
  r int4range,
  at timestamptz DEFAULT now(),
  CONSTRAINT parent_pk PRIMARY KEY (id) INCLUDE (name) WITH (fillfactor = 70)
);
INSERT INTO app.parent (name, m, p, arr, comp, bin, js, n, dbl, net, r, at)
SELECT CASE g % 9 WHEN 0 THEN E'tab\there\nnewline\\back\r cr' WHEN 1 THEN '\.' WHEN 2 THEN ''
    WHEN 3 THEN E'\\N' WHEN 4 THEN 'üñí 漢字 😀 ' || g WHEN 5 THEN E'\\' WHEN 6 THEN E'\b\f\v\x7f\r\n\\.\r\n'
    ELSE 'name ' || g END,
  (enum_range(NULL::app.mood))[1 + g % 5], nullif(g % 11, 0), ARRAY['a', NULL, E'q"\n{}\\', '', 'NULL'],
  CASE WHEN g % 13 > 0 THEN row(nullif(g % 4, 0), E'x\t"(y'',')::app.pair END, decode(md5(g::text), 'hex'),
  jsonb_build_object('k', g, 's', E'line\nbreak "\\" \t'), CASE WHEN g % 40 = 0 THEN 'NaN' ELSE g / 3.0 END,
  CASE g % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' WHEN 2 THEN '-0' ELSE (g / 7.0)::float8 END, '10.0.0.1',
  int4range(g * 10, g * 10 + 5), CASE g % 30 WHEN 0 THEN 'infinity' ELSE timestamptz '2024-02-29 23:59:59.999999+03' + g * interval '1 min' END
FROM generate_series(1, 6 * :scale) g;
ALTER TABLE app.parent ALTER COLUMN name SET STATISTICS 300, ALTER COLUMN bin SET STORAGE EXTERNAL,
  ALTER COLUMN m SET (n_distinct = 5);
CREATE INDEX parent_expr ON app.parent (lower(name) COLLATE "C" text_pattern_ops DESC NULLS LAST, (n + 1));
ALTER INDEX app.parent_expr ALTER COLUMN 2 SET STATISTICS 400;
CREATE INDEX parent_gin ON app.parent USING gin (js jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX parent_part ON app.parent (n) WHERE n > 10 AND m <> 'it''s fine';
CREATE UNIQUE INDEX "parent u" ON app.parent (id, (p IS NULL)) INCLUDE (n, m) WITH (deduplicate_items = off);
ALTER TABLE app.parent CLUSTER ON parent_pk;
ALTER TABLE app.parent ADD CONSTRAINT "r; excl" EXCLUDE USING gist (r WITH &&) WHERE (id > 0) DEFERRABLE;
ALTER TABLE app.parent ADD CONSTRAINT "n not valid" CHECK (n < 1) NOT VALID;
COMMENT ON TABLE app.parent IS 'it''s the parent';
COMMENT ON COLUMN app.parent.js IS E'a\\b';
COMMENT ON INDEX app.parent_part IS 'partial';
COMMENT ON INDEX app.parent_pk IS 'the index of a key';
COMMENT ON CONSTRAINT parent_pk ON app.parent IS 'the key';
COMMENT ON CONSTRAINT "r; excl" ON app.parent IS 'exclusion';
GRANT SELECT, UPDATE (name) ON app.parent TO app_ro;

CREATE TABLE app.child (
  id bigserial CONSTRAINT "child pk" PRIMARY KEY,
  pid int CONSTRAINT to_parent REFERENCES app.parent ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  self bigint REFERENCES app.child (id),
  t text DEFAULT 'a''b' CHECK (t <> 'never')
);
INSERT INTO app.child (pid, self, t)
SELECT 1 + g % (6 * :scale), nullif(g % 100, 0), repeat('x', g % 300) FROM generate_series(1, 8 * :scale) g;
ALTER TABLE app.child OWNER TO app_owner;
ALTER TABLE app.child ADD CONSTRAINT "fk ""nv""" FOREIGN KEY (self) REFERENCES app.parent (id) NOT VALID;
COMMENT ON CONSTRAINT to_parent ON app.child IS 'foreign';
CREATE FUNCTION app.trg() RETURNS trigger LANGUAGE plpgsql AS $_$
begin
  new.t := 'TRIGGERED'; -- must not be seen after a restore
  return new;
end$_$;
CREATE TRIGGER t1 BEFORE INSERT ON app.child FOR EACH ROW EXECUTE FUNCTION app.trg();
COMMENT ON TRIGGER t1 ON app.child IS 'trigger';
ALTER TABLE app.child ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.child FORCE ROW LEVEL SECURITY;
CREATE POLICY "po licy" ON app.child TO app_ro USING (id > 5) WITH CHECK (t <> '');
COMMENT ON POLICY "po licy" ON app.child IS 'policy';
REVOKE ALL ON app.child FROM app_owner;
GRANT SELECT ON app.child TO app_ro WITH GRANT OPTION;
SET ROLE app_ro;
GRANT SELECT ON app.child TO "Rôle ""Q"" $1;";
RESET ROLE;

CREATE TABLE "We ird.Sch""ema"."Tab""le x'y; --" ("Co l" int PRIMARY KEY, "select" text, "ünï" text, "a
b" text);
INSERT INTO "We ird.Sch""ema"."Tab""le x'y; --" SELECT g, 'v' || g, 'ü', '\N' FROM generate_series(1, :scale) g;
ALTER TABLE "We ird.Sch""ema"."Tab""le x'y; --" OWNER TO "Rôle ""Q"" $1;";
CREATE TABLE "We ird.Sch""ema"."new
line $$ \" (a int);
INSERT INTO "We ird.Sch""ema"."new
line $$ \" VALUES (1), (NULL);
CREATE TABLE app.onecol (t text);
INSERT INTO app.onecol SELECT (ARRAY['', '\.', NULL, E'\n\n', E'\\.\n', E'\r'])[1 + g % 6] FROM generate_series(1, 4 * :scale) g;
CREATE TABLE app.blank (t text);
INSERT INTO app.blank SELECT '' FROM generate_series(1, 10 * :scale);
CREATE TABLE app.nocol ();
INSERT INTO app.nocol SELECT FROM generate_series(1, :scale);
CREATE TABLE app.only_generated (a int GENERATED ALWAYS AS (1) STORED);
INSERT INTO app.only_generated SELECT FROM generate_series(1, 3);
CREATE TABLE app.empty (a int PRIMARY KEY, b text);
CREATE RULE "r 1" AS ON INSERT TO app.empty DO INSTEAD NOTHING;
COMMENT ON RULE "r 1" ON app.empty IS 'rule';
CREATE UNLOGGED TABLE app.unlogged AS SELECT g AS a FROM generate_series(1, :scale) g;
CREATE TABLE app.wide (id int PRIMARY KEY, t text, b bytea);
INSERT INTO app.wide VALUES (1, repeat(E'wide\t\\\n', 4000 * :scale), NULL), (2, 'narrow', ''),
  (3, '', decode(repeat('00ff5c0a', 3000 * :scale), 'hex'));
CREATE TABLE app.dropped (a int, gone text, b text NOT NULL DEFAULT 'b');
INSERT INTO app.dropped VALUES (1, 'gone', 'here');
ALTER TABLE app.dropped DROP COLUMN gone, ADD COLUMN c int DEFAULT 7;

-- Partitions and inheritance -----------------------------------------------------------------
CREATE TABLE app.part (k int NOT NULL, d date NOT NULL, v text) PARTITION BY RANGE (d);
CREATE TABLE app.part_1 (junk int, v text, d date NOT NULL, k int NOT NULL);
ALTER TABLE app.part_1 DROP COLUMN junk;
ALTER TABLE app.part ATTACH PARTITION app.part_1 FOR VALUES FROM ('2024-01-01') TO ('2024-07-01');
CREATE TABLE app.part_2 PARTITION OF app.part FOR VALUES FROM ('2024-07-01') TO ('2025-01-01') PARTITION BY HASH (k);
CREATE TABLE app.part_2a PARTITION OF app.part_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.part_2b PARTITION OF app.part_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE app.part_default PARTITION OF app.part DEFAULT;
INSERT INTO app.part SELECT g, date '2023-12-01' + g % 500, 'p' || g FROM generate_series(1, 10 * :scale) g;
CREATE UNIQUE INDEX "own 2a" ON app.part_2a (k, d);
ALTER TABLE app.part ADD CONSTRAINT part_key PRIMARY KEY (k, d);
CREATE INDEX part_v ON app.part (v);
CREATE INDEX part_only ON ONLY app.part (k); -- no partition attached: it stays invalid
CREATE TABLE app.noted (note text, d date, k int, pid int,
  FOREIGN KEY (k, d) REFERENCES app.part (k, d) MATCH FULL ON UPDATE CASCADE);
INSERT INTO app.noted SELECT 'n' || k, d, k, 1 FROM app.part WHERE k % 3 = 0;
ALTER TABLE app.part ADD COLUMN pid int DEFAULT 1 CONSTRAINT part_to_parent REFERENCES app.parent (id);
CREATE TABLE app.base (a int, b text, CHECK (a > 0) NO INHERIT);
CREATE TABLE app.heir (c int) INHERITS (app.base);
INSERT INTO app.base SELECT g, 'b' FROM generate_series(1, :scale) g;
INSERT INTO app.heir SELECT -g, 'k', g FROM generate_series(1, 2 * :scale) g;

-- Views --------------------------------------------------------------------------------------
CREATE VIEW app.moods AS SELECT m, count(*) AS c FROM app.parent GROUP BY m;
CREATE VIEW app.by_key AS SELECT p.id, p.name, count(c.id) AS children
  FROM app.parent p LEFT JOIN app.child c ON c.pid = p.id GROUP BY p.id; -- its rule follows the key
CREATE MATERIALIZED VIEW app.mv1 AS SELECT * FROM app.moods;
CREATE UNIQUE INDEX mv1_u ON app.mv1 (m);
CREATE MATERIALIZED VIEW app.a_mv2 AS SELECT sum(c) AS s FROM app.mv1;
CREATE MATERIALIZED VIEW app.mv_by_key AS SELECT p.id, p.name, (SELECT s FROM app.a_mv2) AS s FROM app.parent p GROUP BY p.id;
CREATE INDEX ON app.mv_by_key (name);
CREATE MATERIALIZED VIEW app.mv_empty AS SELECT 1 AS x WITH NO DATA;
ALTER MATERIALIZED VIEW app.mv1 OWNER TO app_owner;
COMMENT ON MATERIALIZED VIEW app.mv1 IS 'matview';
GRANT SELECT ON app.parent, app.moods TO app_owner;
\if :pg14
CREATE FUNCTION app.by_key() RETURNS SETOF text LANGUAGE sql STABLE
  BEGIN ATOMIC SELECT p.name FROM app.parent p GROUP BY p.id; END;
CREATE TABLE app.squeezed (t text COMPRESSION pglz);
INSERT INTO app.squeezed SELECT repeat('squeeze', 1000) FROM generate_series(1, 3);
CREATE STATISTICS app.st_expr ON (n + 1), (lower(name)) FROM app.parent;
\endif
\if :pg15
CREATE TABLE app.nulls (a int UNIQUE NULLS NOT DISTINCT, b int REFERENCES app.nulls (a) ON DELETE SET NULL (b));
INSERT INTO app.nulls VALUES (1, NULL), (NULL, 1);
\endif
CREATE STATISTICS app.st ON n, p FROM app.parent;
COMMENT ON STATISTICS app.st IS 'statistics';

-- Sequences ----------------------------------------------------------------------------------
CREATE SEQUENCE app.manual START 1000 INCREMENT 7;
SELECT setval('app.manual', 12345) \g /dev/null
CREATE SEQUENCE app.down AS smallint INCREMENT -3 MINVALUE -100 MAXVALUE -1 CYCLE;
SELECT setval('app.down', -100) \g /dev/null
CREATE SEQUENCE app.unused MAXVALUE 9223372036854775807 START 9223372036854775806 CACHE 20;
CREATE SEQUENCE app.set_not_called;
SELECT setval('app.set_not_called', 77, false) \g /dev/null
COMMENT ON SEQUENCE app.manual IS 'sequence';
GRANT USAGE ON SEQUENCE app.manual TO app_ro;

-- Large objects ------------------------------------------------------------------------------
SELECT count(lo_from_bytea(40000 + g, decode(repeat(md5(g::text), 1 + g % 20), 'hex')))
  FROM generate_series(1, 3 * :scale) g \g /dev/null
SELECT lo_from_bytea(50000, ''), lo_from_bytea(3000000000, decode(repeat('00ff5c0a5c2e0a', 4500 * :scale), 'hex')) \g /dev/null
DO $$
begin
  for n in 1 .. 7 loop
    execute format('ALTER LARGE OBJECT %s OWNER TO app_owner', 40000 + n);
  end loop;
end$$;
COMMENT ON LARGE OBJECT 40001 IS 'lo''s';
COMMENT ON LARGE OBJECT 3000000000 IS 'beyond 2^31';
GRANT SELECT ON LARGE OBJECT 40001, 40008, 3000000000 TO app_ro;
REVOKE ALL ON LARGE OBJECT 40002 FROM app_owner;

-- What is made of tables, and what comes last --------------------------------------------------
CREATE TABLE app.ddl_log (tag text, object text);
INSERT INTO app.ddl_log VALUES ('before', 'the dump');
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $_$
begin -- a restore makes event triggers last: whatever is created or altered after them shows in the table
  insert into app.ddl_log select tg_tag, object_identity from pg_event_trigger_ddl_commands();
end$_$;
CREATE FUNCTION app.on_drop() RETURNS event_trigger LANGUAGE plpgsql AS $_$
begin
  insert into app.ddl_log select tg_tag, object_identity from pg_event_trigger_dropped_objects();
end$_$;
CREATE EVENT TRIGGER "on ddl" ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX', 'ALTER INDEX', 'CREATE FUNCTION', 'CREATE SCHEMA')
  EXECUTE FUNCTION app.on_ddl();
COMMENT ON EVENT TRIGGER "on ddl" IS 'event trigger';
CREATE EVENT TRIGGER on_drop ON sql_drop EXECUTE FUNCTION app.on_drop();
CREATE PUBLICATION "pub;" FOR TABLE app.parent, app.child WITH (publish = 'insert, delete');
COMMENT ON PUBLICATION "pub;" IS 'publication';
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO app_ro;
ALTER DEFAULT PRIVILEGES FOR ROLE app_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

\if :{?brief}
\quit
\endif
-- ============================================================================================

-- More types, and what hangs on them ------------------------------------------------------------
COMMENT ON TYPE app.mood IS 'enum';
COMMENT ON DOMAIN app.posint IS 'domain';
COMMENT ON CONSTRAINT "pos it'ive" ON DOMAIN app.posint IS 'of a domain';
COMMENT ON COLUMN app.pair.a IS 'of a type';
GRANT USAGE ON TYPE app.mood TO app_ro;
REVOKE USAGE ON TYPE app.pair FROM PUBLIC;
CREATE DOMAIN app.even AS app.posint DEFAULT 2 NOT NULL;
ALTER DOMAIN app.even ADD CONSTRAINT even_check CHECK (VALUE % 2 = 0) NOT VALID;
CREATE TYPE app.float_span AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE app.deep AS (pairs app.pair[], m app.mood);
CREATE COLLATION app.plain (LOCALE = 'C');
COMMENT ON COLLATION app.plain IS 'collation';
CREATE AGGREGATE app.total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
COMMENT ON AGGREGATE app.total (int) IS 'aggregate';
CREATE FUNCTION app.same(app.pair, app.pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.a = $2.a';
CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = app.pair, RIGHTARG = app.pair, COMMUTATOR = OPERATOR(app.===));
COMMENT ON OPERATOR app.=== (app.pair, app.pair) IS 'operator';
CREATE FUNCTION app.to_pair(int) RETURNS app.pair LANGUAGE sql IMMUTABLE AS 'SELECT row($1, ''x'')::app.pair';
CREATE CAST (int AS app.pair) WITH FUNCTION app.to_pair(int);
CREATE FUNCTION app.backwards(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btint4cmp($2, $1)';
CREATE OPERATOR CLASS app.int_backwards FOR TYPE int USING btree AS
  OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 app.backwards(int, int);
CREATE TEXT SEARCH DICTIONARY app.words (TEMPLATE = simple, accept = false);
CREATE TEXT SEARCH CONFIGURATION app.search (PARSER = default);
ALTER TEXT SEARCH CONFIGURATION app.search ADD MAPPING FOR asciiword, word WITH app.words, simple;
CREATE FUNCTION app.price(int, VARIADIC text[] DEFAULT '{}') RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
  COST 7 SET search_path = app, pg_temp AS $_$begin return $1 * 2; end$_$;
COMMENT ON FUNCTION app.price(int, text[]) IS 'function';
REVOKE EXECUTE ON FUNCTION app.price(int, text[]) FROM PUBLIC;
CREATE PROCEDURE app.work(INOUT a int) LANGUAGE plpgsql AS $_$begin commit; end$_$;

-- Values of more types ---------------------------------------------------------------------------
CREATE TABLE app.zoo (
  b bit(3), vb bit varying, i interval, t timetz, ts timestamp, d date, u uuid, c cidr, mac macaddr8, pt point,
  poly polygon, vec tsvector, q tsquery, o oid, rc regclass, rt regtype, lsn pg_lsn, ch "char", nm name,
  bp char(5), grid int[][], pairs app.pair[], deep app.deep, span app.float_span, even app.even, f real,
  many numeric[], js json, jp jsonpath, vc varchar(3) COLLATE app.plain, snap pg_snapshot, boo bool
);
INSERT INTO app.zoo
SELECT '101', '', '-1 year 3 days 04:05:06.7', '23:59:59.9+14', '-infinity', CASE g % 2 WHEN 0 THEN 'infinity' ELSE '0044-03-15 BC'::date END,
  md5(g::text)::uuid, '10/8', '08:00:2b:01:02:03:04:05', '(1e300,-0)', '((0,0),(1,1),(1,0))', E'''a b'':1A it\\''s:2', '!a & b:*', 4294967295,
  'app.parent', 'app.mood', 'FF/1', E'\\'::"char", 'n', 'ab', '[0:1][-1:0]={{1,NULL},{3,4}}', ARRAY[row(1, NULL), row(NULL, '')]::app.pair[],
  row(ARRAY[row(1, E'",\\')::app.pair], 'sad')::app.deep, '[1,)', 2 * g, '1e-45', '{NaN,-1.50,1e100}', E'{"a" :  "\\u0000", "a":1}', '$.a ? (@ > 1)',
  E'\\.', '10:20:10,14,15', NULL
FROM generate_series(1, :scale) g;
CREATE TYPE app.typed AS (k int, v text);
CREATE TABLE app.of_type OF app.typed (k WITH OPTIONS PRIMARY KEY);
INSERT INTO app.of_type SELECT g, NULL FROM generate_series(1, :scale) g;
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE app.other_method (a int) USING heap2;
INSERT INTO app.other_method SELECT g FROM generate_series(1, :scale) g;
CREATE TABLE app."COPY" ("FROM stdin;" int, "," int, """" int, ")" int);
INSERT INTO app."COPY" SELECT g, g, NULL, g FROM generate_series(1, :scale) g;
CREATE TABLE app."%s 100% {} \." (a text);
INSERT INTO app."%s 100% {} \." VALUES ('%s');

-- Keys, indexes and foreign keys ----------------------------------------------------------------
CREATE TABLE app.keys (
  a int NOT NULL, b int NOT NULL, c text, d int,
  CONSTRAINT keys_deferrable PRIMARY KEY (b, a) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT "keys u" UNIQUE (a) INCLUDE (c, d) WITH (fillfactor = 50),
  CONSTRAINT keys_late UNIQUE (c, a) DEFERRABLE,
  CONSTRAINT keys_excl EXCLUDE USING btree (a WITH =, b WITH =),
  CONSTRAINT keys_circle EXCLUDE USING gist (box(point(a, b), point(a, b)) WITH &&)
);
INSERT INTO app.keys SELECT g, g % 7, 'c' || g, nullif(g, 3) FROM generate_series(1, :scale) g;
CREATE UNIQUE INDEX keys_ident ON app.keys (b, a);
ALTER TABLE app.keys REPLICA IDENTITY USING INDEX keys_ident;
ALTER TABLE app.keys CLUSTER ON "keys u";
CREATE INDEX keys_brin ON app.keys USING brin (a) WITH (pages_per_range = 2);
CREATE INDEX keys_hash ON app.keys USING hash (c);
CREATE INDEX keys_back ON app.keys (a app.int_backwards);
CREATE INDEX keys_call ON app.keys (app.price(a));
CREATE INDEX "keys "" q; -- $$ é" ON app.keys (d NULLS FIRST) WHERE c LIKE E'%\\\\.\n%';
CREATE INDEX keys_spgist ON app.keys USING spgist (c);
CREATE UNIQUE INDEX keys_bare ON app.keys (a, d); -- a foreign key may point at an index without a constraint
COMMENT ON INDEX app."keys u" IS 'of a constraint';
COMMENT ON CONSTRAINT "keys u" ON app.keys IS 'unique';
CREATE TABLE app.full_identity (a int);
ALTER TABLE app.full_identity REPLICA IDENTITY FULL;
INSERT INTO app.full_identity VALUES (1);
CREATE TABLE app.key_identity (a int NOT NULL CONSTRAINT key_identity_u UNIQUE, PRIMARY KEY (a));
ALTER TABLE app.key_identity REPLICA IDENTITY USING INDEX key_identity_u;
CREATE TABLE app.pointing (
  ab_b int, ab_a int, big bigint, d int, gen int GENERATED ALWAYS AS (ab_a % 5 + 1) STORED REFERENCES app.key_identity (a),
  CONSTRAINT to_u FOREIGN KEY (big) REFERENCES app.keys (a) ON DELETE RESTRICT ON UPDATE NO ACTION,
  CONSTRAINT to_bare FOREIGN KEY (d, ab_a) REFERENCES app.keys (d, a) ON DELETE SET NULL DEFERRABLE
);
INSERT INTO app.key_identity SELECT generate_series(1, 5);
INSERT INTO app.pointing SELECT b, a, a, d FROM app.keys;
COMMENT ON CONSTRAINT to_u ON app.pointing IS 'composite';
CREATE TABLE app.circle_a (id int PRIMARY KEY, b int);
CREATE TABLE app.circle_b (id int PRIMARY KEY, a int REFERENCES app.circle_a);
INSERT INTO app.circle_a SELECT g, g FROM generate_series(1, :scale) g;
INSERT INTO app.circle_b SELECT g, g FROM generate_series(1, :scale) g;
ALTER TABLE app.circle_a ADD FOREIGN KEY (b) REFERENCES app.circle_b;
CREATE TABLE app.stray (id int PRIMARY KEY, a int);
INSERT INTO app.stray SELECT g, 100000 + g FROM generate_series(1, :scale) g;
ALTER TABLE app.stray ADD CONSTRAINT broken FOREIGN KEY (a) REFERENCES app.circle_a NOT VALID; -- and no row obeys it
CREATE UNLOGGED TABLE app.unlogged_serial (id serial PRIMARY KEY, t text UNIQUE);
INSERT INTO app.unlogged_serial (t) SELECT g FROM generate_series(1, :scale) g;

-- Partitions: lists, sub-partitions without rows, keys of their own -------------------------------
CREATE TABLE app.list (m app.mood, id int, t text, PRIMARY KEY (id, m)) PARTITION BY LIST (m);
CREATE TABLE app.list_sad PARTITION OF app.list FOR VALUES IN ('sad');
CREATE TABLE app.list_ok PARTITION OF app.list (CONSTRAINT "list ok u" UNIQUE (id)) FOR VALUES IN ('ok', 'it''s fine') PARTITION BY RANGE (id);
CREATE TABLE app.list_ok_low PARTITION OF app.list_ok (t DEFAULT 'low') FOR VALUES FROM (MINVALUE) TO (50) WITH (fillfactor = 80);
CREATE TABLE app.list_ok_high PARTITION OF app.list_ok FOR VALUES FROM (50) TO (MAXVALUE);
CREATE TABLE app.list_none PARTITION OF app.list DEFAULT PARTITION BY LIST (id);
INSERT INTO app.list SELECT (ARRAY['sad', 'ok', 'it''s fine'])[1 + g % 3]::app.mood, g, 't' FROM generate_series(1, 3 * :scale) g;
CREATE INDEX list_t ON app.list (t);
CREATE INDEX half ON ONLY app.list_ok (t, id);
CREATE INDEX half_low ON app.list_ok_low (t, id);
ALTER INDEX app.half ATTACH PARTITION app.half_low; -- one of two: not valid yet
ALTER INDEX app.list_ok_low_t_idx SET (fillfactor = 60);
COMMENT ON INDEX app.list_t IS 'partitioned';
COMMENT ON TABLE app.list IS 'list';
ALTER TABLE app.list OWNER TO app_owner;
ALTER TABLE app.list_sad OWNER TO app_owner;
ALTER TABLE app.part_1 ADD CONSTRAINT of_one CHECK (k > 0);
ALTER TABLE app.part_default ADD CONSTRAINT default_to_parent FOREIGN KEY (pid) REFERENCES app.parent (id) ON DELETE SET NULL;
CREATE STATISTICS app.st_part (dependencies, mcv) ON k, d FROM app.part;
ALTER STATISTICS app.st_part SET STATISTICS 50;
CREATE TABLE app.modern (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at, id);
CREATE TABLE app.modern_1 PARTITION OF app.modern FOR VALUES FROM ('-infinity', MINVALUE) TO (MAXVALUE, MAXVALUE);
INSERT INTO app.modern SELECT g, timestamptz 'epoch' + g * interval '1 day' FROM generate_series(1, :scale) g;
CREATE TABLE app.expr_part (t text) PARTITION BY LIST (lower(t));
CREATE TABLE app.expr_part_a PARTITION OF app.expr_part FOR VALUES IN ('a');
CREATE TABLE app.expr_part_n PARTITION OF app.expr_part FOR VALUES IN (NULL, '\.');
INSERT INTO app.expr_part SELECT (ARRAY['a', 'A', NULL, '\.'])[1 + g % 4] FROM generate_series(1, :scale) g;
CREATE TABLE app.second (z int DEFAULT 3, a int);
CREATE TABLE app.both (PRIMARY KEY (a)) INHERITS (app.base, app.second);
ALTER TABLE app.both ALTER COLUMN z SET DEFAULT 4;
INSERT INTO app.both SELECT g, 'both', g FROM generate_series(1, :scale) g;

-- Views, rules, triggers ----------------------------------------------------------------------
CREATE RECURSIVE VIEW app.numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 5;
CREATE VIEW app.checked WITH (security_barrier) AS SELECT id, t FROM app.child WHERE t <> '' WITH LOCAL CHECK OPTION;
ALTER VIEW app.checked ALTER COLUMN t SET DEFAULT 'of the view';
COMMENT ON VIEW app.checked IS 'view';
COMMENT ON COLUMN app.checked.t IS 'of a view';
CREATE FUNCTION app.instead() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
CREATE TRIGGER instead INSTEAD OF INSERT ON app.checked FOR EACH ROW EXECUTE FUNCTION app.instead();
CREATE VIEW app.over_key AS SELECT * FROM app.by_key WHERE children > 0;
CREATE MATERIALIZED VIEW app.mv_over_key WITH (fillfactor = 50) AS SELECT id, name FROM app.over_key;
CREATE UNIQUE INDEX mv_over_key_u ON app.mv_over_key (id);
ALTER TABLE app.mv_over_key CLUSTER ON mv_over_key_u;
CREATE MATERIALIZED VIEW app.mv_on_empty AS SELECT count(*) AS c FROM app.mv1 WITH NO DATA;
CREATE RULE also AS ON UPDATE TO app.onecol WHERE old.t IS NULL DO ALSO INSERT INTO app.blank VALUES ('by rule');
CREATE RULE off AS ON DELETE TO app.onecol DO ALSO NOTHING;
ALTER TABLE app.onecol DISABLE RULE off;
CREATE FUNCTION app.nothing() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end';
CREATE TRIGGER always BEFORE INSERT OR UPDATE OF t ON app.onecol FOR EACH ROW WHEN (new.t = E'\n') EXECUTE FUNCTION app.nothing();
ALTER TABLE app.onecol ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER replica AFTER DELETE ON app.onecol REFERENCING OLD TABLE AS gone EXECUTE FUNCTION app.nothing('a', 'b''c');
ALTER TABLE app.onecol ENABLE REPLICA TRIGGER replica;
CREATE CONSTRAINT TRIGGER "late; trigger" AFTER INSERT ON app.keys FROM app.parent DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.nothing();
CREATE TRIGGER disabled AFTER TRUNCATE ON app.keys EXECUTE FUNCTION app.nothing();
ALTER TABLE app.keys DISABLE TRIGGER disabled;
CREATE TRIGGER of_part AFTER INSERT ON app.part FOR EACH ROW EXECUTE FUNCTION app.nothing();
ALTER TABLE app.part_1 DISABLE TRIGGER of_part;
CREATE POLICY restrictive ON app.keys AS RESTRICTIVE FOR SELECT TO app_owner, "Rôle ""Q"" $1;" USING (EXISTS (SELECT FROM app.child WHERE child.id = a));
ALTER TABLE app.circle_a ENABLE ROW LEVEL SECURITY; -- without a policy: nobody but its owner sees a row
ALTER TABLE app.circle_a OWNER TO app_owner;
ALTER TABLE app.circle_a FORCE ROW LEVEL SECURITY;
CREATE TABLE app.options (a int, t text) WITH (fillfactor = 40, autovacuum_enabled = false, toast.autovacuum_enabled = off, user_catalog_table = true);
INSERT INTO app.options VALUES (1, 'o');

-- Identity, defaults, owners, privileges ------------------------------------------------------------
CREATE TABLE app.identities (
  id bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 100 INCREMENT BY -1 MAXVALUE 100 MINVALUE -9223372036854775808 CYCLE),
  small smallserial, other int DEFAULT nextval('app.manual'), called int DEFAULT app.price(2)
);
INSERT INTO app.identities (other) SELECT g FROM generate_series(1, :scale) g;
INSERT INTO app.identities (id, small, other) VALUES (7, 7, 7);
ALTER SEQUENCE app.down OWNED BY app.keys.d;
REVOKE SELECT (name) ON app.parent FROM app_ro;
GRANT SELECT (id, js) ON app.parent TO "Rôle ""Q"" $1;" WITH GRANT OPTION;
GRANT ALL ON app.options TO PUBLIC;
REVOKE ALL ON app.zoo FROM azuresu;
GRANT EXECUTE ON FUNCTION app.price(int, text[]) TO app_ro WITH GRANT OPTION;
GRANT CREATE ON SCHEMA "We ird.Sch""ema" TO PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO app_ro;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "Rôle ""Q"" $1;";
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT USAGE ON SEQUENCES TO app_ro WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE app_owner REVOKE USAGE ON TYPES FROM PUBLIC;
COMMENT ON EXTENSION plpgsql IS 'changed';

-- Foreign data, subscriptions, publications, event triggers ------------------------------------------
CREATE FOREIGN DATA WRAPPER "dummy;" OPTIONS (debug 'tr''ue');
CREATE SERVER "far away" TYPE 't' VERSION '1' FOREIGN DATA WRAPPER "dummy;" OPTIONS (host 'h''ost');
CREATE USER MAPPING FOR app_owner SERVER "far away" OPTIONS (password 'p''w');
CREATE FOREIGN TABLE app.far (a int OPTIONS (b 'c') NOT NULL, CHECK (a > 0)) SERVER "far away" OPTIONS (t 'x');
COMMENT ON SERVER "far away" IS 'server';
COMMENT ON FOREIGN TABLE app.far IS 'foreign table';
GRANT USAGE ON FOREIGN SERVER "far away" TO app_ro;
CREATE SUBSCRIPTION sub CONNECTION 'host=127.0.0.1 dbname=it''s' PUBLICATION p WITH (connect = false, slot_name = NONE);
COMMENT ON SUBSCRIPTION sub IS 'subscription';
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish_via_partition_root);
CREATE PUBLICATION nothing;
ALTER PUBLICATION nothing OWNER TO app_owner;
CREATE FUNCTION app.on_rewrite() RETURNS event_trigger LANGUAGE plpgsql AS 'begin end';
CREATE EVENT TRIGGER "dis abled" ON table_rewrite EXECUTE FUNCTION app.on_rewrite();
ALTER EVENT TRIGGER "dis abled" DISABLE;

-- Newer majors' ------------------------------------------------------------------------------------
\if :pg14
CREATE FUNCTION app.atomic(a int, OUT s text) LANGUAGE sql BEGIN ATOMIC SELECT max(v.name) FROM app.by_key v; SELECT 'a; b'; END;
CREATE TABLE app.spans (s int4multirange, c int, EXCLUDE USING gist (s WITH &&));
INSERT INTO app.spans SELECT int4multirange(int4range(g * 10, g * 10 + 3), int4range(g * 10 + 5, g * 10 + 7)), g FROM generate_series(1, :scale) g;
CREATE PROCEDURE app.out_only(a int, OUT b int) LANGUAGE plpgsql AS 'begin b := a; end';
CREATE TABLE app.infinite (n numeric);
INSERT INTO app.infinite VALUES ('Infinity'), ('-Infinity'), ('NaN');
\endif
\if :pg15
CREATE VIEW app.as_invoker WITH (security_invoker) AS SELECT id FROM app.parent;
CREATE PUBLICATION chosen FOR TABLE app.keys (a, b), app.circle_b WHERE (id > 3);
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA "We ird.Sch""ema";
CREATE UNLOGGED SEQUENCE app.unlogged_sequence;
CREATE UNIQUE INDEX nulls_u ON app.nulls (b) NULLS NOT DISTINCT WHERE a > 0;
\endif
\if :pg16
CREATE TABLE app.stored (t text STORAGE PLAIN, u text STORAGE EXTENDED COMPRESSION default);
INSERT INTO app.stored VALUES ('t', 'u');
CREATE SUBSCRIPTION sub16 CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE, origin = none, streaming = parallel);
\endif
\if :pg17
GRANT MAINTAIN ON app.options TO app_ro;
CREATE TABLE app.identity_parts (id int GENERATED ALWAYS AS IDENTITY, t text) PARTITION BY HASH (id);
CREATE TABLE app.identity_parts_0 PARTITION OF app.identity_parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO app.identity_parts (t) SELECT 't' FROM generate_series(1, :scale);
CREATE FUNCTION app.on_login() RETURNS event_trigger LANGUAGE plpgsql AS 'begin end';
CREATE EVENT TRIGGER on_login ON login EXECUTE FUNCTION app.on_login();
\endif
\if :pg18
CREATE TABLE app.eighteen (
  id int4range, valid daterange, x int, y int GENERATED ALWAYS AS (x * 2) VIRTUAL, z int,
  CONSTRAINT "x nn" NOT NULL x NO INHERIT,
  CONSTRAINT never CHECK (x < 0) NOT ENFORCED,
  CONSTRAINT eighteen_pk PRIMARY KEY (id, valid WITHOUT OVERLAPS)
);
INSERT INTO app.eighteen (id, valid, x, z) SELECT int4range(g, g + 1), '[2024-01-01,2025-01-01)', g, NULL FROM generate_series(1, :scale) g;
ALTER TABLE app.eighteen ADD CONSTRAINT "z nn" NOT NULL z NOT VALID;
COMMENT ON CONSTRAINT "x nn" ON app.eighteen IS 'not null';
CREATE TABLE app.eighteen_child (
  id int4range, valid daterange, p int,
  CONSTRAINT temporal FOREIGN KEY (id, PERIOD valid) REFERENCES app.eighteen (id, PERIOD valid),
  CONSTRAINT not_enforced FOREIGN KEY (p) REFERENCES app.parent (id) NOT ENFORCED
);
INSERT INTO app.eighteen_child SELECT id, '[2024-02-01,2024-03-01)', -1 FROM app.eighteen;
ALTER TABLE app.part ADD CONSTRAINT part_nv FOREIGN KEY (k) REFERENCES app.circle_a NOT VALID;
CREATE PUBLICATION with_generated FOR TABLE app.parent WITH (publish_generated_columns = stored);
CREATE TABLE app.nn_inherit (a int CONSTRAINT own NOT NULL);
CREATE TABLE app.nn_heir () INHERITS (app.nn_inherit);
INSERT INTO app.nn_heir VALUES (1);
\endif
ANALYZE app.parent, app.child, app.keys, app.mv1, app.part;
