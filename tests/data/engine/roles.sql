-- The roles that own and may read what is in features.sql, for the source and for every target.
CREATE ROLE app_owner NOLOGIN;
CREATE ROLE app_ro NOLOGIN;
CREATE ROLE "Rôle ""Q"" $1;" NOLOGIN;
