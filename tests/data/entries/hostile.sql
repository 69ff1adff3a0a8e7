-- The database behind hostile-pg*.sql: names and texts that look like what pg_restore writes between entries.
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE "fast; --" LOCATION '';
CREATE DATABASE hostile TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\connect hostile
CREATE SCHEMA "s
-- TOC entry 7 (class 1 OID 2)
";
CREATE TABLE "s
-- TOC entry 7 (class 1 OID 2)
".moved (a int) TABLESPACE "fast; --";
CREATE INDEX moved_a ON "s
-- TOC entry 7 (class 1 OID 2)
".moved (a);
CREATE TABLE public."t
--
-- TOC entry 7 (class 1 OID 2)
COMMIT; --" (
  a int PRIMARY KEY,
  b text DEFAULT '
-- TOC entry 7 (class 1 OID 2)
;',
  "c
-- TOC entry 7 (class 1 OID 2)
" text
);
COMMENT ON COLUMN public."t
--
-- TOC entry 7 (class 1 OID 2)
COMMIT; --".b IS E'\\
-- TOC entry 7 (class 1 OID 2)
COMMIT;';
CREATE FUNCTION public.f() RETURNS text LANGUAGE plpgsql AS $_$
begin
-- TOC entry 7 (class 1 OID 2)
  return $$;
\.
COMMIT;
SET default_tablespace = '';
-- TOC entry 7 (class 1 OID 2)
$$;
end $_$;
CREATE FUNCTION public.parsed(a int) RETURNS int BEGIN ATOMIC
  SELECT 1;
  SELECT CASE WHEN a > 1 THEN 1 ELSE 2 END;
END;
CREATE VIEW public.v AS SELECT '
-- TOC entry 7 (class 1 OID 2)
'::text AS t;
CREATE RULE r AS ON DELETE TO public.v DO INSTEAD (SELECT 1; SELECT '
-- TOC entry 7 (class 1 OID 2)
');
SELECT lo_create(7);
COMMENT ON LARGE OBJECT 7 IS '
-- TOC entry 7 (class 1 OID 2)
';
