"""What two databases can be compared by, whichever PostgreSQL majors they live in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

Fingerprint = dict[str, dict[str, Any]]
"""Section -> object -> what is to be equal; all of it plain JSON."""

_USER = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"


def _acl(column: str, kind: str, owner: str) -> str:
    """An access list as sorted text; none given means the default, spelled out.

    Without MAINTAIN, a privilege that every owner got in PostgreSQL 17.
    """
    return f"""ARRAY(SELECT format('%s: %s%s by %s',
        CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE e.grantee::regrole::text END, e.privilege_type,
        CASE WHEN e.is_grantable THEN '*' END, e.grantor::regrole)
        FROM aclexplode(coalesce({column}, acldefault({kind}, {owner}))) e
        WHERE e.privilege_type <> 'MAINTAIN' ORDER BY 1)"""


_COMMENT = "obj_description({}.oid, '{}')"

_RELATION_KIND = "(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END)::\"char\""

# Each query: the object's name, then anything else that must be equal. NOT NULL constraints are
# left out, for only PostgreSQL 18 has them in its catalogue; the columns say the same.
_SECTIONS: Mapping[str, str] = {
    "schemas": f"""
        SELECT quote_ident(nspname), nspowner::regrole::text, {_acl("nspacl", "'n'", "nspowner")},
            {_COMMENT.format("n", "pg_namespace")}
        FROM pg_namespace n WHERE {_USER}""",
    "relations": f"""
        SELECT c.oid::regclass::text, relkind::text, relowner::regrole::text, relpersistence::text,
            {_acl("relacl", _RELATION_KIND, "relowner")},
            relrowsecurity, relforcerowsecurity, relispopulated, relreplident::text, reloptions,
            pg_get_partkeydef(c.oid), pg_get_expr(relpartbound, c.oid),
            ARRAY(SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid
                ORDER BY inhseqno), {_COMMENT.format("c", "pg_class")}
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE {_USER} AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')""",
    "columns": f"""
        SELECT c.oid::regclass || '.' || quote_ident(attname), attnum,
            format_type(atttypid, atttypmod), attnotnull, attidentity::text, attgenerated::text,
            pg_get_expr(adbin, adrelid),
            (SELECT collname FROM pg_collation WHERE oid = attcollation),
            {_acl("attacl", "'c'", "relowner")}, col_description(c.oid, attnum)
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
            JOIN pg_namespace n ON n.oid = relnamespace
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE {_USER} AND attnum > 0 AND NOT attisdropped
            AND relkind IN ('r', 'p', 'v', 'm', 'c', 'f')""",
    "constraints": f"""
        SELECT coalesce(nullif(conrelid, 0)::regclass::text, contypid::regtype::text) || ' '
            || quote_ident(conname), contype::text, pg_get_constraintdef(o.oid), convalidated
        FROM pg_constraint o JOIN pg_namespace n ON n.oid = connamespace
        WHERE {_USER} AND contype <> 'n'""",
    "indexes": f"""
        SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid, indisclustered,
            {_COMMENT.format("c", "pg_class")}
        FROM pg_index JOIN pg_class c ON c.oid = indexrelid
            JOIN pg_namespace n ON n.oid = relnamespace
        WHERE {_USER}""",
    "views": f"""
        SELECT c.oid::regclass::text, pg_get_viewdef(c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE {_USER} AND relkind IN ('v', 'm')""",
    "functions": f"""
        SELECT p.oid::regprocedure::text, proowner::regrole::text,
            CASE WHEN prokind = 'a' THEN prosrc ELSE pg_get_functiondef(p.oid) END,
            {_acl("proacl", "'f'", "proowner")}
        FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE {_USER}""",
    "types": f"""
        SELECT t.oid::regtype::text, typtype::text, typowner::regrole::text,
            format_type(typbasetype, typtypmod), typdefault, typnotnull,
            {_acl("typacl", "'T'", "typowner")},
            ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid
                ORDER BY enumsortorder)
        FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
        WHERE {_USER} AND typtype IN ('e', 'd', 'c', 'r')
            AND (typrelid = 0 OR (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c')""",
    "triggers": """
        SELECT tgrelid::regclass || ' ' || quote_ident(tgname), pg_get_triggerdef(oid),
            tgenabled::text
        FROM pg_trigger WHERE NOT tgisinternal""",
    "rules": f"""
        SELECT ev_class::regclass || ' ' || quote_ident(rulename), pg_get_ruledef(r.oid)
        FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class
            JOIN pg_namespace n ON n.oid = relnamespace
        WHERE {_USER} AND rulename <> '_RETURN'""",
    "policies": """
        SELECT format('%I.%I %I', schemaname, tablename, policyname), permissive, roles::text[],
            cmd, qual, with_check FROM pg_policies""",
    "statistics": "SELECT stxname, pg_get_statisticsobjdef(oid) FROM pg_statistic_ext",
    "sequences": """
        SELECT format('%I.%I', schemaname, sequencename), data_type::text, start_value, min_value,
            max_value, increment_by, cycle, last_value FROM pg_sequences""",
    "default privileges": f"""
        SELECT format('%s %s %s', defaclrole::regrole, nullif(defaclnamespace, 0)::regnamespace,
            defaclobjtype), {_acl("defaclacl", "defaclobjtype", "defaclrole")}
        FROM pg_default_acl""",
    "large objects": f"""
        SELECT l.oid::text, lomowner::regrole::text, {_acl("lomacl", "'L'", "lomowner")},
            encode(sha256(lo_get(l.oid)), 'hex'),
            {_COMMENT.format("l", "pg_largeobject")}
        FROM pg_largeobject_metadata l""",
    "extensions": "SELECT extname, NULL FROM pg_extension",
    "database": f"""
        SELECT 'database', datdba::regrole::text, pg_encoding_to_char(encoding),
            {_acl("datacl", "'d'", "datdba")}, shobj_description(d.oid, 'pg_database'),
            ARRAY(SELECT format('%s: %s', nullif(setrole, 0)::regrole, unnest(setconfig))
                FROM pg_db_role_setting WHERE setdatabase = d.oid ORDER BY 1)
        FROM pg_database d WHERE datname = current_database()""",
}

_TABLES = f"""
    SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE {_USER} AND (relkind = 'r' OR relkind = 'm' AND relispopulated)"""

_ROLES = r"""
    SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
        rolbypassrls, rolconnlimit, rolpassword, rolvaliduntil::text,
        shobj_description(oid, 'pg_authid'),
        ARRAY(SELECT unnest(setconfig) FROM pg_db_role_setting
            WHERE setrole = r.oid AND setdatabase = 0 ORDER BY 1),
        ARRAY(SELECT DISTINCT format('%s%s', roleid::regrole, CASE WHEN admin_option THEN '*' END)
            FROM pg_auth_members WHERE member = r.oid ORDER BY 1)
    FROM pg_authid r WHERE rolname !~ '^pg_'"""


def fingerprint(conninfo: str, database: str) -> Fingerprint:
    """All of `database` that a restore must bring back, seen by the superuser of `conninfo`.

    Two databases are alike when their fingerprints are equal (`differences` says where not). A
    table's content is its row count and the sum of a hash of every row: the order is no matter.
    """
    with psycopg.connect(make_conninfo(conninfo, dbname=database)) as connection:
        connection.execute("SET search_path = ''; SET extra_float_digits = 1; SET TimeZone = 'UTC'")
        found = {name: _section(connection, query) for name, query in _SECTIONS.items()}
        names = [name for (name,) in connection.execute(_TABLES)]
        found["rows"] = {name: _content(connection, name) for name in sorted(names)}
        return found


def fingerprint_roles(conninfo: str) -> dict[str, Any]:
    """Attributes, password hashes, settings and memberships of all roles.

    A `*` behind a membership: with admin option.
    """
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return _section(connection, _ROLES)


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """One line per object that is missing, surplus or different; none when all is alike."""
    lines = []
    for section in sorted({*expected, *found}):
        left, right = expected.get(section, {}), found.get(section, {})
        for name in sorted({*left, *right}):
            if left.get(name) != right.get(name):
                lines.append(
                    f"{section} {name}: expected {left.get(name)}, found {right.get(name)}"
                )
    return lines


def _section(connection: psycopg.Connection[Any], query: str) -> dict[str, Any]:
    rows = connection.execute(query.encode()).fetchall()
    return {name: list(rest) for name, *rest in sorted(rows, key=lambda row: str(row[0]))}


def _content(connection: psycopg.Connection[Any], table: str) -> list[str]:
    """`table` is quoted already, as regclass prints it."""
    query = sql.SQL(
        "SELECT count(*)::text, coalesce(sum(hashtextextended((t.*)::text, 0)::numeric), 0)::text"
        " FROM ONLY {} t"
    ).format(sql.SQL(table))
    row = connection.execute(query).fetchone()
    assert row is not None
    return list(row)
