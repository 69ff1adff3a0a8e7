-- What the worker's login needs on the server it restores to, and no more. As the server's administrator:
--   psql "host=<server> dbname=postgres user=<administrator> sslmode=verify-full" -v worker=<login> -f scripts/grant-worker.sql
-- With Microsoft Entra, the login is made first, by an Entra administrator, in the database postgres:
--   SELECT * FROM pgaadauth_create_principal_with_oid('<login>', '<object id of the identity>', 'service', false, false);
-- It then may create databases and roles. To let it replace databases that are there, add their names: -v replace=crm,shop
-- ("*" for all that are not the service's). For the backup's subscriptions, on 16 and newer: -v subscriptions=on
-- docs/database-login.md says what each is for. Safe to repeat.
\set ON_ERROR_STOP on

-- Databases are created under staging names, and renamed.
ALTER ROLE :"worker" CREATEDB;

-- The backup's roles are created, and ownership is given to them.
ALTER ROLE :"worker" CREATEROLE;

-- Sessions that a dead worker left, or that hold a database which is replaced, are seen and ended.
GRANT pg_monitor, pg_signal_backend TO :"worker";

\if :{?replace}
-- It can replace a database as its owner can.
SELECT format('GRANT %I TO %I WITH ADMIN OPTION', owner.rolname, :'worker')
FROM pg_roles AS owner
WHERE owner.oid IN (
    SELECT datdba FROM pg_database
    WHERE NOT datistemplate AND (:'replace' = '*' OR datname = ANY (string_to_array(:'replace', ',')))
)
  AND NOT owner.rolsuper
  AND owner.rolname NOT IN ('azuresu', 'azure_pg_admin', :'worker')
  AND (current_setting('server_version_num')::int < 160000 OR pg_has_role(owner.oid, 'MEMBER WITH ADMIN OPTION'))
\gexec
\endif

\if :{?subscriptions}
-- It makes the backup's subscriptions, disabled, in the name of their owners.
GRANT pg_create_subscription TO :"worker";
\endif
