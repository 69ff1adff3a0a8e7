--
-- PostgreSQL database dump
--

\restrict Al6u1gYTuT7axUVVqhPoh9TM9JgyOzjdRf0o8fxTsLzloSfTpKkO0nl2hdOkUyZ

-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

-- Started on 2026-11-21 02:13:01 UTC

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
-- TOC entry 7 (class 2615 OID 16413)
-- Name: We ird.Sch"ema; Type: SCHEMA; Schema: -; Owner: azuresu
-- Data Pos: 0
--

CREATE SCHEMA "We ird.Sch""ema";


ALTER SCHEMA "We ird.Sch""ema" OWNER TO azuresu;

--
-- TOC entry 6 (class 2615 OID 16412)
-- Name: app; Type: SCHEMA; Schema: -; Owner: app_owner
-- Data Pos: 0
--

CREATE SCHEMA app;


ALTER SCHEMA app OWNER TO app_owner;

--
-- TOC entry 865 (class 1247 OID 16415)
-- Dependencies: 6
-- Name: mood; Type: TYPE; Schema: app; Owner: app_owner
-- Data Pos: 0
--

CREATE TYPE app.mood AS ENUM (
    'sad',
    'it''s fine'
);


ALTER TYPE app.mood OWNER TO app_owner;

--
-- TOC entry 232 (class 1255 OID 16463)
-- Dependencies: 6
-- Name: f(); Type: FUNCTION; Schema: app; Owner: app_owner
-- Data Pos: 0
--

CREATE FUNCTION app.f() RETURNS text
    LANGUAGE plpgsql
    AS $_$
begin
  -- ; \! a body with 'a quote and /* no end
  return 'x' || $$;
COPY app.fake (a) FROM stdin;
$$;
end
$_$;


ALTER FUNCTION app.f() OWNER TO app_owner;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- TOC entry 230 (class 1259 OID 16464)
-- Dependencies: 7
-- Name: Tab"le x'y; --; Type: TABLE; Schema: We ird.Sch"ema; Owner: azuresu
-- Data Pos: 0
--

CREATE TABLE "We ird.Sch""ema"."Tab""le x'y; --" (
    "Co l" integer NOT NULL,
    "select" text,
    "ünï" text
);


ALTER TABLE "We ird.Sch""ema"."Tab""le x'y; --" OWNER TO azuresu;

--
-- TOC entry 225 (class 1259 OID 16437)
-- Dependencies: 6
-- Name: empty; Type: TABLE; Schema: app; Owner: app_owner
-- Data Pos: 0
--

CREATE TABLE app.empty (
    a integer,
    b text
);


ALTER TABLE app.empty OWNER TO app_owner;

--
-- TOC entry 222 (class 1259 OID 16420)
-- Dependencies: 6 865
-- Name: parent; Type: TABLE; Schema: app; Owner: app_owner
-- Data Pos: 0
--

CREATE TABLE app.parent (
    id integer NOT NULL,
    name text,
    m app.mood,
    n numeric,
    twice numeric GENERATED ALWAYS AS ((n * (2)::numeric)) STORED
);


ALTER TABLE app.parent OWNER TO app_owner;

--
-- TOC entry 2635 (class 0 OID 0)
-- Dependencies: 222
-- Name: TABLE parent; Type: COMMENT; Schema: app; Owner: app_owner
-- Data Pos: 0
--

COMMENT ON TABLE app.parent IS 'multi
line; comment \connect x';


--
-- TOC entry 228 (class 1259 OID 16452)
-- Dependencies: 222 6
-- Name: v; Type: VIEW; Schema: app; Owner: app_owner
-- Data Pos: 0
--

CREATE VIEW app.v AS
 SELECT count(*) AS c
   FROM app.parent;


ALTER VIEW app.v OWNER TO app_owner;

--
-- TOC entry 229 (class 1259 OID 16456)
-- Dependencies: 228 6
-- Name: mv; Type: MATERIALIZED VIEW; Schema: app; Owner: app_owner
-- Data Pos: 0
--

CREATE MATERIALIZED VIEW app.mv AS
 SELECT c
   FROM app.v
  WITH NO DATA;


ALTER MATERIALIZED VIEW app.mv OWNER TO app_owner;

--
-- TOC entry 224 (class 1259 OID 16434)
-- Dependencies: 6
-- Name: nocol; Type: TABLE; Schema: app; Owner: app_owner
-- Data Pos: 0
--

CREATE TABLE app.nocol (
);


ALTER TABLE app.nocol OWNER TO app_owner;

--
-- TOC entry 223 (class 1259 OID 16429)
-- Dependencies: 6
-- Name: onecol; Type: TABLE; Schema: app; Owner: app_owner
-- Data Pos: 0
--

CREATE TABLE app.onecol (
    t text
);


ALTER TABLE app.onecol OWNER TO app_owner;

--
-- TOC entry 221 (class 1259 OID 16419)
-- Dependencies: 222 6
-- Name: parent_id_seq; Type: SEQUENCE; Schema: app; Owner: app_owner
-- Data Pos: 0
--

ALTER TABLE app.parent ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.parent_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- TOC entry 226 (class 1259 OID 16442)
-- Dependencies: 6
-- Name: part; Type: TABLE; Schema: app; Owner: app_owner
-- Data Pos: 0
--

CREATE TABLE app.part (
    k integer NOT NULL,
    d date NOT NULL
)
PARTITION BY RANGE (d);


ALTER TABLE app.part OWNER TO app_owner;

--
-- TOC entry 227 (class 1259 OID 16447)
-- Dependencies: 226 6
-- Name: part_1; Type: TABLE; Schema: app; Owner: app_owner
-- Data Pos: 0
--

CREATE TABLE app.part_1 (
    k integer CONSTRAINT part_k_not_null NOT NULL,
    d date CONSTRAINT part_d_not_null NOT NULL
);


ALTER TABLE app.part_1 OWNER TO app_owner;

--
-- TOC entry 231 (class 1259 OID 16472)
-- Name: child; Type: TABLE; Schema: public; Owner: azuresu
-- Data Pos: 0
--

CREATE TABLE public.child (
    id integer NOT NULL,
    pid integer
);


ALTER TABLE public.child OWNER TO azuresu;

--
-- TOC entry 2459 (class 0 OID 0)
-- Dependencies: 227 226
-- Name: part_1; Type: TABLE ATTACH; Schema: app; Owner: app_owner
-- Data Pos: 0
--

ALTER TABLE ONLY app.part ATTACH PARTITION app.part_1 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');


--
-- TOC entry 2637 (class 0 OID 0)
-- Dependencies: 221
-- Name: parent_id_seq; Type: SEQUENCE SET; Schema: app; Owner: app_owner
-- Data Pos: 0
--

SELECT pg_catalog.setval('app.parent_id_seq', 5, true);


--
-- TOC entry 2626 (class 2613 OID 4242)
-- Name: 4242; Type: BLOB METADATA; Schema: -; Owner: azuresu
-- Data Pos: 0
--

SELECT pg_catalog.lo_create('4242');

ALTER LARGE OBJECT 4242 OWNER TO azuresu;

--
-- TOC entry 2638 (class 0 OID 0)
-- Dependencies: 2626
-- Name: LARGE OBJECT 4242; Type: COMMENT; Schema: -; Owner: azuresu
-- Data Pos: 0
--

COMMENT ON LARGE OBJECT 4242 IS 'lo';


--
-- TOC entry 2464 (class 2606 OID 16471)
-- Dependencies: 230
-- Name: Tab"le x'y; -- Tab"le x'y; --_pkey; Type: CONSTRAINT; Schema: We ird.Sch"ema; Owner: azuresu
-- Data Pos: 0
--

ALTER TABLE ONLY "We ird.Sch""ema"."Tab""le x'y; --"
    ADD CONSTRAINT "Tab""le x'y; --_pkey" PRIMARY KEY ("Co l");


--
-- TOC entry 2462 (class 2606 OID 16428)
-- Dependencies: 222
-- Name: parent parent_pkey; Type: CONSTRAINT; Schema: app; Owner: app_owner
-- Data Pos: 0
--

ALTER TABLE ONLY app.parent
    ADD CONSTRAINT parent_pkey PRIMARY KEY (id);


--
-- TOC entry 2466 (class 2606 OID 16477)
-- Dependencies: 231
-- Name: child child_pkey; Type: CONSTRAINT; Schema: public; Owner: azuresu
-- Data Pos: 0
--

ALTER TABLE ONLY public.child
    ADD CONSTRAINT child_pkey PRIMARY KEY (id);


--
-- TOC entry 2467 (class 2606 OID 16478)
-- Dependencies: 2462 231 222
-- Name: child child_pid_fkey; Type: FK CONSTRAINT; Schema: public; Owner: azuresu
-- Data Pos: 0
--

ALTER TABLE ONLY public.child
    ADD CONSTRAINT child_pid_fkey FOREIGN KEY (pid) REFERENCES app.parent(id);


--
-- TOC entry 2636 (class 0 OID 0)
-- Dependencies: 222
-- Name: TABLE parent; Type: ACL; Schema: app; Owner: app_owner
-- Data Pos: 0
--

GRANT SELECT ON TABLE app.parent TO app_ro;


--
-- TOC entry 2639 (class 0 OID 0)
-- Dependencies: 2626
-- Name: LARGE OBJECT 4242; Type: ACL; Schema: -; Owner: azuresu
-- Data Pos: 0
--

GRANT SELECT ON LARGE OBJECT 4242 TO app_ro;


--
-- TOC entry 2623 (class 0 OID 16456)
-- Dependencies: 229 2629
-- Name: mv; Type: MATERIALIZED VIEW DATA; Schema: app; Owner: app_owner
-- Data Pos: 0
--

REFRESH MATERIALIZED VIEW app.mv;


-- Completed on 2026-11-26 01:27:53 UTC

--
-- PostgreSQL database dump complete
--

\unrestrict Al6u1gYTuT7axUVVqhPoh9TM9JgyOzjdRf0o8fxTsLzloSfTpKkO0nl2hdOkUyZ

