"""Whether a restored database equals the one that was dumped."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from local.sample.fingerprint import differences, fingerprint

Contents = dict[str, Any]
"""What is compared, as plain JSON."""

_FEW_TABLES = 2_000

# Table by table in transactions of their own: a transaction that reads 50,000 tables holds as many
# locks.
_SUMS = """
DO $do$
DECLARE
    name text;
    rows numeric;
    hashes numeric;
    tables int := 0;
    total_rows numeric := 0;
    total_hash numeric := 0;
BEGIN
    FOR name IN SELECT oid::regclass::text FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        ORDER BY relname COLLATE "C" LOOP
        EXECUTE format('SELECT count(*),
            coalesce(sum(hashtextextended((t.*)::text, %s)::numeric), 0) FROM %s AS t',
            hashtext(name), name) INTO rows, hashes;
        tables := tables + 1;
        total_rows := total_rows + rows;
        total_hash := total_hash + hashes;
        IF tables % 200 = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
    PERFORM set_config('bench.sums', format('%s %s %s', tables, total_rows, total_hash), false);
END
$do$"""

_COUNTED = {
    "rows": "SELECT current_setting('bench.sums')",
    "columns": """SELECT count(*), sum(hashtextextended(format('%s %s %s %s', attrelid::regclass,
        attname, atttypid::regtype, attnotnull), 0)::numeric) FROM pg_attribute JOIN pg_class c
        ON c.oid = attrelid WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND attnum > 0""",
    "indexes": """SELECT count(*), sum(hashtextextended(format('%s %s', pg_get_indexdef(indexrelid),
        indisvalid), 0)::numeric) FROM pg_index JOIN pg_class c ON c.oid = indrelid
        WHERE relnamespace = 'public'::regnamespace""",
    "constraints": """SELECT count(*), sum(hashtextextended(format('%s %s %s %s',
        conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated), 0)::numeric)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "large objects": """SELECT count(*), sum(hashtextextended(format('%s %s %s %s', oid,
        lomowner::regrole, lomacl, encode(lo_get(oid), 'hex')), 0)::numeric)
        FROM pg_largeobject_metadata""",
}


def read(conninfo: str) -> Contents:
    """What the database of `conninfo` holds: of each object, or in sums where they are too many."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM pg_class WHERE relkind = 'r'").fetchone()
        if row is not None and row[0] > _FEW_TABLES:
            return _sums(connection)
    return fingerprint(conninfo, str(conninfo_to_dict(conninfo)["dbname"]))


def _sums(connection: psycopg.Connection[Any]) -> Contents:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(_SUMS)
    return {
        name: {"all": [str(value) for value in row]}
        for name, query in _COUNTED.items()
        for row in connection.execute(query.encode())
    }


def check(conninfo: str, expected: Contents) -> str:
    """What differs from `expected`, in a line; empty if nothing does."""
    found = differences(expected, read(conninfo))
    return f"{len(found)} differences, the first: {found[0][:300]}" if found else ""
