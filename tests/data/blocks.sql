-- The database behind blocks/: data blocks of none, one and several chunks, large objects among them.
CREATE DATABASE blocks TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\connect blocks
CREATE TABLE nothing (a int);
CREATE TABLE hashes (id int PRIMARY KEY, hash text);
INSERT INTO hashes SELECT g, md5(g::text) FROM generate_series(1, 390) g;
CREATE TABLE words (word text);
INSERT INTO words VALUES ('one'), ('two'), (E'th\\ree\n'), (NULL);
CREATE VIEW numbered AS SELECT row_number() OVER () AS n, word FROM words;
SELECT lo_from_bytea(1, 'little');
SELECT lo_from_bytea(3000000000, (SELECT string_agg(decode(md5(g::text), 'hex'), '') FROM generate_series(1, 300) g));
SELECT lo_from_bytea(77, '');
