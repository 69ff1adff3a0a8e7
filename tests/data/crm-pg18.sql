--
-- PostgreSQL database dump
--

\restrict Jg0lYcRv6sVxDGhyVfbDDuaTnw6suQIwDrPQN1X5XrwLpEpxqVQqqcDC0rBvZNt

-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

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
-- Name: Cr'm_database_€ "x".sql; Type: DATABASE; Schema: -; Owner: app_owner
--

CREATE DATABASE "Cr'm_database_€ ""x"".sql" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C.UTF-8';


ALTER DATABASE "Cr'm_database_€ ""x"".sql" OWNER TO app_owner;

\unrestrict Jg0lYcRv6sVxDGhyVfbDDuaTnw6suQIwDrPQN1X5XrwLpEpxqVQqqcDC0rBvZNt
\encoding SQL_ASCII
\connect -reuse-previous=on "dbname='Cr\'m_database_€ ""x"".sql'"
\restrict Jg0lYcRv6sVxDGhyVfbDDuaTnw6suQIwDrPQN1X5XrwLpEpxqVQqqcDC0rBvZNt

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
-- Name: Cr'm_database_€ "x".sql; Type: DATABASE PROPERTIES; Schema: -; Owner: app_owner
--

ALTER DATABASE "Cr'm_database_€ ""x"".sql" SET work_mem TO '8MB';
ALTER ROLE app_user IN DATABASE "Cr'm_database_€ ""x"".sql" SET work_mem TO '16MB';


\unrestrict Jg0lYcRv6sVxDGhyVfbDDuaTnw6suQIwDrPQN1X5XrwLpEpxqVQqqcDC0rBvZNt
\encoding SQL_ASCII
\connect -reuse-previous=on "dbname='Cr\'m_database_€ ""x"".sql'"
\restrict Jg0lYcRv6sVxDGhyVfbDDuaTnw6suQIwDrPQN1X5XrwLpEpxqVQqqcDC0rBvZNt

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
-- Name: We ird.Sch"ema; Type: SCHEMA; Schema: -; Owner: azuresu
--

CREATE SCHEMA "We ird.Sch""ema";


ALTER SCHEMA "We ird.Sch""ema" OWNER TO azuresu;

--
-- Name: app; Type: SCHEMA; Schema: -; Owner: app_owner
--

CREATE SCHEMA app;


ALTER SCHEMA app OWNER TO app_owner;

--
-- Name: mood; Type: TYPE; Schema: app; Owner: app_owner
--

CREATE TYPE app.mood AS ENUM (
    'sad',
    'it''s fine'
);


ALTER TYPE app.mood OWNER TO app_owner;

--
-- Name: f(); Type: FUNCTION; Schema: app; Owner: app_owner
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
-- Name: Tab"le x'y; --; Type: TABLE; Schema: We ird.Sch"ema; Owner: azuresu
--

CREATE TABLE "We ird.Sch""ema"."Tab""le x'y; --" (
    "Co l" integer NOT NULL,
    "select" text,
    "ünï" text
);


ALTER TABLE "We ird.Sch""ema"."Tab""le x'y; --" OWNER TO azuresu;

--
-- Name: empty; Type: TABLE; Schema: app; Owner: app_owner
--

CREATE TABLE app.empty (
    a integer,
    b text
);


ALTER TABLE app.empty OWNER TO app_owner;

--
-- Name: parent; Type: TABLE; Schema: app; Owner: app_owner
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
-- Name: TABLE parent; Type: COMMENT; Schema: app; Owner: app_owner
--

COMMENT ON TABLE app.parent IS 'multi
line; comment \connect x';


--
-- Name: v; Type: VIEW; Schema: app; Owner: app_owner
--

CREATE VIEW app.v AS
 SELECT count(*) AS c
   FROM app.parent;


ALTER VIEW app.v OWNER TO app_owner;

--
-- Name: mv; Type: MATERIALIZED VIEW; Schema: app; Owner: app_owner
--

CREATE MATERIALIZED VIEW app.mv AS
 SELECT c
   FROM app.v
  WITH NO DATA;


ALTER MATERIALIZED VIEW app.mv OWNER TO app_owner;

--
-- Name: nocol; Type: TABLE; Schema: app; Owner: app_owner
--

CREATE TABLE app.nocol (
);


ALTER TABLE app.nocol OWNER TO app_owner;

--
-- Name: onecol; Type: TABLE; Schema: app; Owner: app_owner
--

CREATE TABLE app.onecol (
    t text
);


ALTER TABLE app.onecol OWNER TO app_owner;

--
-- Name: parent_id_seq; Type: SEQUENCE; Schema: app; Owner: app_owner
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
-- Name: part; Type: TABLE; Schema: app; Owner: app_owner
--

CREATE TABLE app.part (
    k integer NOT NULL,
    d date NOT NULL
)
PARTITION BY RANGE (d);


ALTER TABLE app.part OWNER TO app_owner;

--
-- Name: part_1; Type: TABLE; Schema: app; Owner: app_owner
--

CREATE TABLE app.part_1 (
    k integer CONSTRAINT part_k_not_null NOT NULL,
    d date CONSTRAINT part_d_not_null NOT NULL
);


ALTER TABLE app.part_1 OWNER TO app_owner;

--
-- Name: child; Type: TABLE; Schema: public; Owner: azuresu
--

CREATE TABLE public.child (
    id integer NOT NULL,
    pid integer
);


ALTER TABLE public.child OWNER TO azuresu;

--
-- Name: part_1; Type: TABLE ATTACH; Schema: app; Owner: app_owner
--

ALTER TABLE ONLY app.part ATTACH PARTITION app.part_1 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');


--
-- Data for Name: Tab"le x'y; --; Type: TABLE DATA; Schema: We ird.Sch"ema; Owner: azuresu
--

COPY "We ird.Sch""ema"."Tab""le x'y; --" ("Co l", "select", "ünï") FROM stdin;
1	a	ü
2	b	\N
\.


--
-- Data for Name: empty; Type: TABLE DATA; Schema: app; Owner: app_owner
--

COPY app.empty (a, b) FROM stdin;
\.


--
-- Data for Name: nocol; Type: TABLE DATA; Schema: app; Owner: app_owner
--

COPY app.nocol  FROM stdin;



\.


--
-- Data for Name: onecol; Type: TABLE DATA; Schema: app; Owner: app_owner
--

COPY app.onecol (t) FROM stdin;
\\.

\N
ü
\.


--
-- Data for Name: parent; Type: TABLE DATA; Schema: app; Owner: app_owner
--

COPY app.parent (id, name, m, n) FROM stdin;
1	tab\there\nnewline\\back	sad	1
2	\\.	it's fine	2
3	\\.\n\\.\n	\N	3
4	\N	sad	\N
5	-- $$ 'quote	sad	5
\.


--
-- Data for Name: part_1; Type: TABLE DATA; Schema: app; Owner: app_owner
--

COPY app.part_1 (k, d) FROM stdin;
1	2024-03-02
2	2024-03-03
3	2024-03-04
4	2024-03-05
5	2024-03-06
6	2024-03-07
7	2024-03-08
\.


--
-- Data for Name: child; Type: TABLE DATA; Schema: public; Owner: azuresu
--

COPY public.child (id, pid) FROM stdin;
1	1
2	2
\.


--
-- Name: parent_id_seq; Type: SEQUENCE SET; Schema: app; Owner: app_owner
--

SELECT pg_catalog.setval('app.parent_id_seq', 5, true);


--
-- Name: 4242; Type: BLOB METADATA; Schema: -; Owner: azuresu
--

SELECT pg_catalog.lo_create('4242');

ALTER LARGE OBJECT 4242 OWNER TO azuresu;

--
-- Name: LARGE OBJECT 4242; Type: COMMENT; Schema: -; Owner: azuresu
--

COMMENT ON LARGE OBJECT 4242 IS 'lo';


--
-- Data for Name: 4242; Type: BLOBS; Schema: -; Owner: azuresu
--

BEGIN;

SELECT pg_catalog.lo_open('4242', 131072);
SELECT pg_catalog.lowrite(0, '\x68656c6c6f');
SELECT pg_catalog.lo_close(0);

COMMIT;

--
-- Name: Tab"le x'y; -- Tab"le x'y; --_pkey; Type: CONSTRAINT; Schema: We ird.Sch"ema; Owner: azuresu
--

ALTER TABLE ONLY "We ird.Sch""ema"."Tab""le x'y; --"
    ADD CONSTRAINT "Tab""le x'y; --_pkey" PRIMARY KEY ("Co l");


--
-- Name: parent parent_pkey; Type: CONSTRAINT; Schema: app; Owner: app_owner
--

ALTER TABLE ONLY app.parent
    ADD CONSTRAINT parent_pkey PRIMARY KEY (id);


--
-- Name: child child_pkey; Type: CONSTRAINT; Schema: public; Owner: azuresu
--

ALTER TABLE ONLY public.child
    ADD CONSTRAINT child_pkey PRIMARY KEY (id);


--
-- Name: child child_pid_fkey; Type: FK CONSTRAINT; Schema: public; Owner: azuresu
--

ALTER TABLE ONLY public.child
    ADD CONSTRAINT child_pid_fkey FOREIGN KEY (pid) REFERENCES app.parent(id);


--
-- Name: TABLE parent; Type: ACL; Schema: app; Owner: app_owner
--

GRANT SELECT ON TABLE app.parent TO app_ro;


--
-- Name: LARGE OBJECT 4242; Type: ACL; Schema: -; Owner: azuresu
--

GRANT SELECT ON LARGE OBJECT 4242 TO app_ro;


--
-- Name: mv; Type: MATERIALIZED VIEW DATA; Schema: app; Owner: app_owner
--

REFRESH MATERIALIZED VIEW app.mv;


--
-- PostgreSQL database dump complete
--

\unrestrict Jg0lYcRv6sVxDGhyVfbDDuaTnw6suQIwDrPQN1X5XrwLpEpxqVQqqcDC0rBvZNt

