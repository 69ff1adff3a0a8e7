--
-- PostgreSQL database cluster dump
--

\restrict szfjludwPxlejOLg2eDOvM7epzMDez7NXPk6t1e63cWEvxxEvubMKGRJqV78ZmJ

SET default_transaction_read_only = off;

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

--
-- Roles
--

CREATE ROLE "My-App ""Role""";
ALTER ROLE "My-App ""Role""" WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE app_owner;
ALTER ROLE app_owner WITH NOSUPERUSER INHERIT NOCREATEROLE CREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE app_ro;
ALTER ROLE app_ro WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE app_user;
ALTER ROLE app_user WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 5 VALID UNTIL '2030-01-01 00:00:00+00';
COMMENT ON ROLE app_user IS E'application
login; \\! echo -- no comment';
CREATE ROLE azure_pg_admin;
ALTER ROLE azure_pg_admin WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE azuresu;
ALTER ROLE azuresu WITH SUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS;
CREATE ROLE made_by_admin;
ALTER ROLE made_by_admin WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE not_azuresu_user;
ALTER ROLE not_azuresu_user WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE pgadmin;
ALTER ROLE pgadmin WITH NOSUPERUSER INHERIT CREATEROLE CREATEDB LOGIN REPLICATION BYPASSRLS;
CREATE ROLE replication;
ALTER ROLE replication WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN REPLICATION NOBYPASSRLS;
CREATE ROLE "rôle 漢字";
ALTER ROLE "rôle 漢字" WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE svc_rls;
ALTER ROLE svc_rls WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION BYPASSRLS;

--
-- User Configurations
--

--
-- User Config "app_user"
--

ALTER ROLE app_user SET search_path TO 'app', 'public';
ALTER ROLE app_user SET application_name TO E'it''s; \\connect "x"';

--
-- User Config "svc_rls"
--

ALTER ROLE svc_rls SET log_statement TO 'all';


--
-- Role memberships
--

GRANT app_owner TO pgadmin WITH INHERIT TRUE GRANTED BY azuresu;
GRANT app_ro TO "My-App ""Role""" WITH ADMIN OPTION, INHERIT TRUE GRANTED BY azuresu;
GRANT app_ro TO app_user WITH INHERIT TRUE GRANTED BY azuresu;
GRANT azure_pg_admin TO app_owner WITH INHERIT TRUE GRANTED BY azuresu;
GRANT azure_pg_admin TO pgadmin WITH ADMIN OPTION, INHERIT TRUE GRANTED BY azuresu;
GRANT made_by_admin TO pgadmin WITH ADMIN OPTION, INHERIT FALSE, SET FALSE GRANTED BY azuresu;
GRANT pg_monitor TO app_user WITH INHERIT TRUE GRANTED BY azuresu;
GRANT pg_monitor TO pgadmin WITH ADMIN OPTION, INHERIT TRUE GRANTED BY azuresu;
GRANT pg_read_all_data TO app_ro WITH INHERIT TRUE GRANTED BY azuresu;






\unrestrict szfjludwPxlejOLg2eDOvM7epzMDez7NXPk6t1e63cWEvxxEvubMKGRJqV78ZmJ

--
-- Databases
--

--
-- Database "template1" dump
--

\connect template1

--
-- PostgreSQL database dump
--

\restrict P22qRaPBhTCNT05CqdEtDshSPLbEDA78LuSsBY8vsfFzHLEU8erK0mnwIeb01yt

-- Dumped from database version 16.14
-- Dumped by pg_dump version 16.14

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- PostgreSQL database dump complete
--

\unrestrict P22qRaPBhTCNT05CqdEtDshSPLbEDA78LuSsBY8vsfFzHLEU8erK0mnwIeb01yt

--
-- Database "Cr'm_database_€ "x".sql" dump
--

--
-- PostgreSQL database dump
--

\restrict iMBYninpWWUuLFps9iCriaaISZDVSoxeDNHF4fHJBofVccLGNE9Kf13k6yQyveh

-- Dumped from database version 16.14
-- Dumped by pg_dump version 16.14

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
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

\unrestrict iMBYninpWWUuLFps9iCriaaISZDVSoxeDNHF4fHJBofVccLGNE9Kf13k6yQyveh
\encoding SQL_ASCII
\connect -reuse-previous=on "dbname='Cr\'m_database_€ ""x"".sql'"
\restrict iMBYninpWWUuLFps9iCriaaISZDVSoxeDNHF4fHJBofVccLGNE9Kf13k6yQyveh

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
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


\unrestrict iMBYninpWWUuLFps9iCriaaISZDVSoxeDNHF4fHJBofVccLGNE9Kf13k6yQyveh
\encoding SQL_ASCII
\connect -reuse-previous=on "dbname='Cr\'m_database_€ ""x"".sql'"
\restrict iMBYninpWWUuLFps9iCriaaISZDVSoxeDNHF4fHJBofVccLGNE9Kf13k6yQyveh

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
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
    k integer NOT NULL,
    d date NOT NULL
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
-- PostgreSQL database dump complete
--

\unrestrict iMBYninpWWUuLFps9iCriaaISZDVSoxeDNHF4fHJBofVccLGNE9Kf13k6yQyveh

--
-- Database "latin" dump
--

--
-- PostgreSQL database dump
--

\restrict ERcwgKH7NZVRHv1vADvWkMpIsZY63WFDVUhlH7lPlKoiU8qW4p8IZB3H0QrArR0

-- Dumped from database version 16.14
-- Dumped by pg_dump version 16.14

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: latin; Type: DATABASE; Schema: -; Owner: app_owner
--

CREATE DATABASE latin WITH TEMPLATE = template0 ENCODING = 'LATIN1' LOCALE_PROVIDER = libc LOCALE = 'C';


ALTER DATABASE latin OWNER TO app_owner;

\unrestrict ERcwgKH7NZVRHv1vADvWkMpIsZY63WFDVUhlH7lPlKoiU8qW4p8IZB3H0QrArR0
\connect latin
\restrict ERcwgKH7NZVRHv1vADvWkMpIsZY63WFDVUhlH7lPlKoiU8qW4p8IZB3H0QrArR0

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: Straße; Type: TABLE; Schema: public; Owner: azuresu
--

CREATE TABLE public."Straße" (
    "é" text
);


ALTER TABLE public."Straße" OWNER TO azuresu;

--
-- PostgreSQL database dump complete
--

\unrestrict ERcwgKH7NZVRHv1vADvWkMpIsZY63WFDVUhlH7lPlKoiU8qW4p8IZB3H0QrArR0

--
-- Database "postgres" dump
--

\connect postgres

--
-- PostgreSQL database dump
--

\restrict iuAv1czvAFW1GQoabdIv8VuffJWBpZedkijpBsOVbv2HkjFAM6acoDRg2feCcoj

-- Dumped from database version 16.14
-- Dumped by pg_dump version 16.14

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- PostgreSQL database dump complete
--

\unrestrict iuAv1czvAFW1GQoabdIv8VuffJWBpZedkijpBsOVbv2HkjFAM6acoDRg2feCcoj

--
-- Database "void" dump
--

--
-- PostgreSQL database dump
--

\restrict 7ZcG571P4fI607wEKGzcUVA7vC1JxCv7qE8aS1M4NoSsVVvKaHa7W5kBkaspKTV

-- Dumped from database version 16.14
-- Dumped by pg_dump version 16.14

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: void; Type: DATABASE; Schema: -; Owner: app_owner
--

CREATE DATABASE void WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C';


ALTER DATABASE void OWNER TO app_owner;

\unrestrict 7ZcG571P4fI607wEKGzcUVA7vC1JxCv7qE8aS1M4NoSsVVvKaHa7W5kBkaspKTV
\connect void
\restrict 7ZcG571P4fI607wEKGzcUVA7vC1JxCv7qE8aS1M4NoSsVVvKaHa7W5kBkaspKTV

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- PostgreSQL database dump complete
--

\unrestrict 7ZcG571P4fI607wEKGzcUVA7vC1JxCv7qE8aS1M4NoSsVVvKaHa7W5kBkaspKTV

--
-- PostgreSQL database cluster dump complete
--

