-- What a source may hold though its constraints forbid it: after a new libc sorted text another way,
-- after triggers were off, after a flipped bit. A restore loses the constraints, and some tables' rows.
\set ON_ERROR_STOP 1
SET allow_system_table_mods = on;
SET session_replication_role = replica; -- nothing checks foreign keys
CREATE TABLE twice (id int CONSTRAINT twice_pk PRIMARY KEY, u int CONSTRAINT twice_u UNIQUE DEFERRABLE,
  r int4range, fine int CONSTRAINT twice_fine UNIQUE, CONSTRAINT twice_r EXCLUDE USING gist (r WITH &&));
CREATE UNIQUE INDEX twice_i ON twice (abs(u));
UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid = 'twice'::regclass;
INSERT INTO twice SELECT g % 100, g % 100, int4range(g, g + 2), g FROM generate_series(1, 200) g;
UPDATE pg_index SET indisready = true, indisvalid = true WHERE indrelid = 'twice'::regclass;
COMMENT ON CONSTRAINT twice_pk ON twice IS 'lost with its constraint';
COMMENT ON INDEX twice_i IS 'lost with its index';
ALTER TABLE twice CLUSTER ON twice_fine;
CREATE TABLE to_twice (id int CONSTRAINT to_twice_fk REFERENCES twice (id), fine int CONSTRAINT to_fine_fk REFERENCES twice (fine));
INSERT INTO to_twice SELECT g % 100, g FROM generate_series(1, 50) g;
CREATE TABLE orphan (id int PRIMARY KEY, fine int CONSTRAINT orphan_fk REFERENCES twice (fine), self int CONSTRAINT orphan_self REFERENCES orphan);
INSERT INTO orphan SELECT g, 1000 + g, 2000 + g FROM generate_series(1, 50) g;
COMMENT ON CONSTRAINT orphan_fk ON orphan IS 'lost with its constraint';
CREATE TABLE refused (a int, CONSTRAINT refused_check CHECK (a < 1000) NOT VALID);
ALTER TABLE refused DROP CONSTRAINT refused_check;
INSERT INTO refused SELECT generate_series(1, 1500);
ALTER TABLE refused ADD CONSTRAINT refused_check CHECK (a < 1000) NOT VALID;
UPDATE pg_constraint SET convalidated = true WHERE conname = 'refused_check'; -- COPY fails: not a row is restored
CREATE TABLE beside (a int PRIMARY KEY);
INSERT INTO beside SELECT generate_series(1, 1500);
CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS $$begin raise 'fails'; end$$;
CREATE MATERIALIZED VIEW fails_mv AS SELECT fails() WITH NO DATA;
UPDATE pg_class SET relispopulated = true WHERE relname = 'fails_mv';
CREATE MATERIALIZED VIEW fine_mv AS SELECT count(*) FROM beside;
