-- The database behind the archives and scripts of this folder: odd names, every kind of data entry, little of it.
CREATE ROLE app_owner LOGIN PASSWORD 'it''s a \secret' CREATEDB;
CREATE ROLE app_ro NOLOGIN;
CREATE ROLE app_user LOGIN VALID UNTIL '2030-01-01' CONNECTION LIMIT 5;
CREATE ROLE "My-App ""Role""" LOGIN;
CREATE ROLE not_azuresu_user LOGIN;
CREATE ROLE "rôle 漢字" NOLOGIN;
CREATE ROLE svc_rls LOGIN BYPASSRLS;
CREATE ROLE azure_pg_admin NOLOGIN;
CREATE ROLE replication LOGIN REPLICATION;
CREATE ROLE pgadmin LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS PASSWORD 'admin';
GRANT azure_pg_admin TO pgadmin WITH ADMIN OPTION;
GRANT pg_monitor TO pgadmin WITH ADMIN OPTION;
SET ROLE pgadmin;
CREATE ROLE made_by_admin LOGIN;
RESET ROLE;
GRANT app_ro TO app_user;
GRANT app_ro TO "My-App ""Role""" WITH ADMIN OPTION;
GRANT azure_pg_admin TO app_owner;
GRANT pg_monitor TO app_user;
GRANT pg_read_all_data TO app_ro;
GRANT app_owner TO pgadmin;
ALTER ROLE app_user SET search_path = app, public;
ALTER ROLE app_user SET application_name = 'it''s; \connect "x"';
ALTER ROLE svc_rls SET log_statement = 'all';
COMMENT ON ROLE app_user IS 'application
login; \! echo -- no comment';

CREATE DATABASE "Cr'm_database_€ ""x"".sql" OWNER app_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
ALTER ROLE app_user IN DATABASE "Cr'm_database_€ ""x"".sql" SET work_mem = '16MB';
ALTER DATABASE "Cr'm_database_€ ""x"".sql" SET work_mem = '8MB';
CREATE DATABASE void OWNER app_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
CREATE DATABASE latin OWNER app_owner TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C';

\connect latin
SET client_encoding = 'UTF8';
CREATE TABLE "Straße" ("é" text);
INSERT INTO "Straße" VALUES ('ü');

\connect "Cr'm_database_€ ""x"".sql"
CREATE EXTENSION IF NOT EXISTS plpgsql;
CREATE SCHEMA app AUTHORIZATION app_owner;
CREATE SCHEMA "We ird.Sch""ema";
SET ROLE app_owner;
CREATE TYPE app.mood AS ENUM ('sad', 'it''s fine');
CREATE TABLE app.parent (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text,
  m app.mood,
  n numeric,
  twice numeric GENERATED ALWAYS AS (n * 2) STORED
);
INSERT INTO app.parent (name, m, n) VALUES
  (E'tab\there\nnewline\\back', 'sad', 1), ('\.', 'it''s fine', 2), (E'\\.\n\\.\n', NULL, 3), (NULL, 'sad', NULL),
  ('-- $$ ''quote', 'sad', 5);
CREATE TABLE app.onecol (t text);
INSERT INTO app.onecol VALUES ('\.'), (''), (NULL), ('ü');
CREATE TABLE app.nocol ();
INSERT INTO app.nocol SELECT FROM generate_series(1, 3);
CREATE TABLE app.empty (a int, b text);
CREATE TABLE app.part (k int NOT NULL, d date NOT NULL) PARTITION BY RANGE (d);
CREATE TABLE app.part_1 PARTITION OF app.part FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO app.part SELECT g, date '2024-03-01' + g FROM generate_series(1, 7) g;
CREATE VIEW app.v AS SELECT count(*) AS c FROM app.parent;
CREATE MATERIALIZED VIEW app.mv AS SELECT * FROM app.v;
CREATE FUNCTION app.f() RETURNS text LANGUAGE plpgsql AS $_$
begin
  -- ; \! a body with 'a quote and /* no end
  return 'x' || $$;
COPY app.fake (a) FROM stdin;
$$;
end
$_$;
GRANT SELECT ON app.parent TO app_ro;
RESET ROLE;
CREATE TABLE "We ird.Sch""ema"."Tab""le x'y; --" ("Co l" int PRIMARY KEY, "select" text, "ünï" text);
INSERT INTO "We ird.Sch""ema"."Tab""le x'y; --" VALUES (1, 'a', 'ü'), (2, 'b', NULL);
CREATE TABLE public.child (id int PRIMARY KEY, pid int REFERENCES app.parent (id));
INSERT INTO public.child VALUES (1, 1), (2, 2);
COMMENT ON TABLE app.parent IS 'multi
line; comment \connect x';
SELECT lo_from_bytea(4242, 'hello');
COMMENT ON LARGE OBJECT 4242 IS 'lo';
GRANT SELECT ON LARGE OBJECT 4242 TO app_ro;
