--
-- PostgreSQL database dump
--

\restrict akHEXffG32XYdd9G2f3tv2l9TmTbTPajvXp5cLVuYhsoXDjVsUrCEO3Z75LPn5W

-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

-- Started on 2026-11-26 01:27:53 UTC

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- TOC entry 6 (class 2615 OID 16386)
-- Name: s -- TOC entry 7 (class 1 OID 2) ; Type: SCHEMA; Schema: -; Owner: azuresu
-- Data Pos: 0
--

CREATE SCHEMA "s
-- TOC entry 7 (class 1 OID 2)
";


ALTER SCHEMA "s
-- TOC entry 7 (class 1 OID 2)
" OWNER TO azuresu;

--
-- TOC entry 223 (class 1255 OID 16400)
-- Name: f(); Type: FUNCTION; Schema: public; Owner: azuresu
-- Data Pos: 0
--

CREATE FUNCTION public.f() RETURNS text
    LANGUAGE plpgsql
    AS $_$
begin
-- TOC entry 7 (class 1 OID 2)
  return $$;
\.
COMMIT;
SET default_tablespace = '';
-- TOC entry 7 (class 1 OID 2)
$$;
end $_$;


ALTER FUNCTION public.f() OWNER TO azuresu;

--
-- TOC entry 224 (class 1255 OID 16401)
-- Name: parsed(integer); Type: FUNCTION; Schema: public; Owner: azuresu
-- Data Pos: 0
--

CREATE FUNCTION public.parsed(a integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT 1;
 SELECT
         CASE
             WHEN (a > 1) THEN 1
             ELSE 2
         END AS "case";
END;


ALTER FUNCTION public.parsed(a integer) OWNER TO azuresu;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- TOC entry 221 (class 1259 OID 16391)
-- Name: t -- -- TOC entry 7 (class 1 OID 2) COMMIT; --; Type: TABLE; Schema: public; Owner: azuresu
-- Data Pos: 0
--

CREATE TABLE public."t
--
-- TOC entry 7 (class 1 OID 2)
COMMIT; --" (
    a integer NOT NULL,
    b text DEFAULT '
-- TOC entry 7 (class 1 OID 2)
;'::text,
    "c
-- TOC entry 7 (class 1 OID 2)
" text
);


ALTER TABLE public."t
--
-- TOC entry 7 (class 1 OID 2)
COMMIT; --" OWNER TO azuresu;

--
-- TOC entry 2590 (class 0 OID 0)
-- Dependencies: 221
-- Name: COLUMN "t -- -- TOC entry 7 (class 1 OID 2) COMMIT; --".b; Type: COMMENT; Schema: public; Owner: azuresu
-- Data Pos: 0
--

COMMENT ON COLUMN public."t
--
-- TOC entry 7 (class 1 OID 2)
COMMIT; --".b IS '\
-- TOC entry 7 (class 1 OID 2)
COMMIT;';


--
-- TOC entry 222 (class 1259 OID 16402)
-- Name: v; Type: VIEW; Schema: public; Owner: azuresu
-- Data Pos: 0
--

CREATE VIEW public.v AS
 SELECT '
-- TOC entry 7 (class 1 OID 2)
'::text AS t;


ALTER VIEW public.v OWNER TO azuresu;

SET default_tablespace = "fast; --";

--
-- TOC entry 220 (class 1259 OID 16387)
-- Dependencies: 6
-- Name: moved; Type: TABLE; Schema: s -- TOC entry 7 (class 1 OID 2) ; Owner: azuresu; Tablespace: fast; --
-- Data Pos: 0
--

CREATE TABLE "s
-- TOC entry 7 (class 1 OID 2)
".moved (
    a integer
);


ALTER TABLE "s
-- TOC entry 7 (class 1 OID 2)
".moved OWNER TO azuresu;

--
-- TOC entry 2582 (class 2613 OID 7)
-- Name: 7; Type: BLOB METADATA; Schema: -; Owner: azuresu
-- Data Pos: 0
--

SELECT pg_catalog.lo_create('7');

ALTER LARGE OBJECT 7 OWNER TO azuresu;

--
-- TOC entry 2591 (class 0 OID 0)
-- Dependencies: 2582
-- Name: LARGE OBJECT 7; Type: COMMENT; Schema: -; Owner: azuresu
-- Data Pos: 0
--

COMMENT ON LARGE OBJECT 7 IS '
-- TOC entry 7 (class 1 OID 2)
';


SET default_tablespace = '';

--
-- TOC entry 2430 (class 2606 OID 16399)
-- Dependencies: 221
-- Name: t -- -- TOC entry 7 (class 1 OID 2) COMMIT; -- t -- -- TOC entry 7 (class 1 OID 2) COMMIT; --_pkey; Type: CONSTRAINT; Schema: public; Owner: azuresu
-- Data Pos: 0
--

ALTER TABLE ONLY public."t
--
-- TOC entry 7 (class 1 OID 2)
COMMIT; --"
    ADD CONSTRAINT "t
--
-- TOC entry 7 (class 1 OID 2)
COMMIT; --_pkey" PRIMARY KEY (a);


--
-- TOC entry 2428 (class 1259 OID 16390)
-- Dependencies: 220
-- Name: moved_a; Type: INDEX; Schema: s -- TOC entry 7 (class 1 OID 2) ; Owner: azuresu
-- Data Pos: 0
--

CREATE INDEX moved_a ON "s
-- TOC entry 7 (class 1 OID 2)
".moved USING btree (a);


--
-- TOC entry 2579 (class 2618 OID 16406)
-- Dependencies: 222 222 222
-- Name: v r; Type: RULE; Schema: public; Owner: azuresu
-- Data Pos: 0
--

CREATE RULE r AS
    ON DELETE TO public.v DO INSTEAD ( SELECT 1 AS "?column?";
 SELECT '
-- TOC entry 7 (class 1 OID 2)
'::text AS "?column?";
);


-- Completed on 2026-11-26 01:27:53 UTC

--
-- PostgreSQL database dump complete
--

\unrestrict akHEXffG32XYdd9G2f3tv2l9TmTbTPajvXp5cLVuYhsoXDjVsUrCEO3Z75LPn5W

