-- What only a superuser may create, and what needs it, on top of features.sql; and what looks so, and
-- is none of it. For psql, as a superuser, from 15 on.
\set ON_ERROR_STOP 1
SET client_min_messages = error;

-- Refused ---------------------------------------------------------------------------------------
CREATE FUNCTION app.c_lower(text) RETURNS text LANGUAGE internal IMMUTABLE STRICT AS 'lower';
CREATE VIEW app.uses_c AS SELECT app.c_lower('X') AS x;
COMMENT ON VIEW app.uses_c IS 'of a view that is left out';
CREATE FUNCTION app.leak(int) RETURNS bool LANGUAGE sql IMMUTABLE LEAKPROOF AS 'select true';
CREATE FUNCTION app.setter() RETURNS int LANGUAGE sql SET log_statement TO 'all' AS 'select 1';
CREATE FUNCTION app.supported(text) RETURNS bool LANGUAGE sql IMMUTABLE SUPPORT textlike_support
  AS 'select true';
CREATE TYPE app.base_type;
CREATE FUNCTION app.base_in(cstring) RETURNS app.base_type LANGUAGE internal IMMUTABLE STRICT
  AS 'textin';
CREATE FUNCTION app.base_out(app.base_type) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT
  AS 'textout';
CREATE TYPE app.base_type (INPUT = app.base_in, OUTPUT = app.base_out, LIKE = text);
CREATE TYPE app.shell_only;
CREATE CAST (point AS text) WITH INOUT;
CREATE TEXT SEARCH PARSER app.par (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
  LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE app.tmpl (LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH CONFIGURATION app.tscfg (PARSER = app.par);
CREATE PROCEDURAL LANGUAGE myplpgsql HANDLER plpgsql_call_handler;
CREATE FUNCTION app.inmy() RETURNS int LANGUAGE myplpgsql AS 'begin return 1; end';
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO app_ro;
GRANT SELECT ON pg_catalog.pg_authid TO app_ro;

-- Not refused -------------------------------------------------------------------------------------
CREATE FUNCTION app.says_so(a text DEFAULT 'LEAKPROOF SUPPORT x') RETURNS text LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog AS $$
begin
  -- LANGUAGE c LEAKPROOF
    SET log_statement TO 'all';
  return a;
end $$;
CREATE CAST (app.mood AS int) WITH INOUT;
ALTER FUNCTION app.says_so OWNER TO app_owner;
CREATE TABLE app.of_azure_admin (a int PRIMARY KEY);
ALTER TABLE app.of_azure_admin OWNER TO azure_pg_admin;
INSERT INTO app.of_azure_admin SELECT generate_series(1, 7);
ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA app GRANT INSERT ON TABLES TO app_ro;
GRANT SELECT ON app.of_azure_admin TO app_ro WITH GRANT OPTION;
SET ROLE app_ro;
GRANT SELECT ON app.of_azure_admin TO app_owner;
RESET ROLE;
