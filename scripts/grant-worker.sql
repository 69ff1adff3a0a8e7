-- What the worker's login needs on the server it restores to, and no more. As the server's administrator:
--   psql "host=<server> dbname=postgres user=<administrator> sslmode=verify-full" -v worker=<login> -f scripts/grant-worker.sql
-- With Microsoft Entra, the login is made first, by an Entra administrator, in the database postgres:
--   SELECT * FROM pgaadauth_create_principal_with_oid('<login>', '<object id of the identity>', 'service', false, false);
-- docs/database-login.md says what each is for. Safe to repeat.
\set ON_ERROR_STOP on

-- Databases are created under staging names, and renamed.
ALTER ROLE :"worker" CREATEDB;

-- The backup's roles are created, and ownership is given to them.
ALTER ROLE :"worker" CREATEROLE;

-- Sessions that a dead worker left, or that hold a database which is replaced, are seen and ended.
GRANT pg_monitor, pg_signal_backend TO :"worker";

-- Databases that are there can be replaced by the worker as their owners can; without this line it only adds.
SELECT format('GRANT %I TO %I WITH ADMIN OPTION', owner.rolname, :'worker')
FROM pg_roles AS owner
WHERE owner.oid IN (SELECT datdba FROM pg_database WHERE NOT datistemplate)
  AND NOT owner.rolsuper
  AND owner.rolname NOT IN ('azuresu', 'azure_pg_admin', :'worker')
  AND (current_setting('server_version_num')::int < 160000 OR pg_has_role(owner.oid, 'MEMBER WITH ADMIN OPTION'))
\gexec
