"""What there is in a database, in the words of `core.catalog`: one query for each kind of object.

How many objects there are does not matter to how many queries are asked.
Source: postgresql.org/docs/18/catalogs.html; the tags in pg_dump.c, PostgreSQL 13 to 18.
"""

from __future__ import annotations

_OURS = "n.nspname !~ '^pg_(toast|temp)' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
_OWNER = "pg_catalog.pg_get_userbyid({})"
_ARGUMENTS = (
    "(SELECT pg_catalog.string_agg(pg_catalog.format_type(a.type, NULL), ', ' ORDER BY a.place)"
    " FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY AS a (type, place))"
)
_SIGNATURE = (
    "p.proname || '(' || COALESCE(" + _ARGUMENTS + ","
    " CASE p.prokind WHEN 'a' THEN '*' ELSE '' END) || ')'"
)
_RELKIND = (
    "CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'TABLE' WHEN 'f' THEN 'FOREIGN TABLE'"
    " WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'"
    " ELSE 'INDEX' END"
)


def _named(kind: str, catalog: str, prefix: str, *, schema: bool = True, owner: str = "") -> str:
    """Objects whose name is in one column of a catalog, of which the other columns are alike."""
    joined = f" JOIN pg_namespace AS n ON n.oid = o.{prefix}namespace" if schema else ""
    where = "n.nspname" if schema else "''"
    whose = _OWNER.format("o." + owner) if owner else "''"
    return f"SELECT '{kind}', {where}, o.{prefix}name, {whose}, '' FROM {catalog} AS o{joined}"


# Kind, schema, name, owner, what is wrong with it.
THINGS = (
    f"SELECT {_RELKIND}, n.nspname, c.relname, {_OWNER.format('c.relowner')},"
    " CASE WHEN c.relkind = 'i' AND NOT i.indisvalid THEN 'is not valid' ELSE '' END"
    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_index AS i ON i.indexrelid = c.oid"
    f" WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I') AND {_OURS}",
    "SELECT kind, n.nspname, c.relname, '', '' FROM pg_class AS c"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace CROSS JOIN LATERAL (VALUES"
    " ('MATERIALIZED VIEW DATA', c.relkind = 'm' AND c.relispopulated),"
    " ('ROW SECURITY', c.relrowsecurity),"
    " ('TABLE ATTACH', c.relispartition AND c.relkind IN ('r', 'p', 'f')),"
    " ('INDEX ATTACH', c.relispartition AND c.relkind IN ('i', 'I')),"
    " ('SEQUENCE OWNED BY', c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend AS d"
    " WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid"
    " AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')))) AS one (kind, is_so)"
    f" WHERE one.is_so AND {_OURS}",
    "SELECT 'DEFAULT', n.nspname, c.relname || ' ' || a.attname, '', '' FROM pg_attrdef AS d"
    " JOIN pg_class AS c ON c.oid = d.adrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.adnum",
    "SELECT CASE o.contype WHEN 'f' THEN 'FK CONSTRAINT' WHEN 'c' THEN 'CHECK CONSTRAINT'"
    " ELSE 'CONSTRAINT' END, n.nspname, COALESCE(c.relname, t.typname) || ' ' || o.conname, '',"
    " CASE WHEN o.convalidated THEN '' ELSE 'is not validated' END"
    " FROM pg_constraint AS o LEFT JOIN pg_class AS c ON c.oid = o.conrelid"
    " LEFT JOIN pg_type AS t ON t.oid = o.contypid"
    " JOIN pg_namespace AS n ON n.oid = COALESCE(c.relnamespace, t.typnamespace)"
    f" WHERE {_OURS}",
    "SELECT 'TRIGGER', n.nspname, c.relname || ' ' || t.tgname, '', '' FROM pg_trigger AS t"
    " JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE NOT t.tgisinternal",
    "SELECT 'RULE', n.nspname, c.relname || ' ' || r.rulename, '', '' FROM pg_rewrite AS r"
    " JOIN pg_class AS c ON c.oid = r.ev_class JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    f" WHERE {_OURS}",
    "SELECT 'POLICY', n.nspname, c.relname || ' ' || p.polname, '', '' FROM pg_policy AS p"
    " JOIN pg_class AS c ON c.oid = p.polrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace",
    "SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION'"
    f" END, n.nspname, {_SIGNATURE}, {_OWNER.format('p.proowner')}, '' FROM pg_proc AS p"
    f" JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE {_OURS}",
    "SELECT kind, n.nspname, t.typname,"
    f" {_OWNER.format('t.typowner')}, '' FROM pg_type AS t"
    " JOIN pg_namespace AS n ON n.oid = t.typnamespace LEFT JOIN pg_class AS c ON c.oid ="
    " t.typrelid CROSS JOIN LATERAL (VALUES ('DOMAIN', t.typtype = 'd'),"
    " ('TYPE', t.typtype NOT IN ('d', 'c') OR c.relkind = 'c'), ('SHELL TYPE', t.typtype IN"
    f" ('b', 'p'))) AS one (kind, is_so) WHERE one.is_so AND {_OURS}",
    "SELECT 'CAST', '', 'CAST (' || pg_catalog.format_type(castsource, NULL) || ' AS '"
    " || pg_catalog.format_type(casttarget, NULL) || ')', '', '' FROM pg_cast",
    "SELECT 'TRANSFORM', '', 'FOR ' || pg_catalog.format_type(t.trftype, NULL) ||"
    " ' LANGUAGE ' || l.lanname, '', '' FROM pg_transform AS t"
    " JOIN pg_language AS l ON l.oid = t.trflang",
    "SELECT 'USER MAPPING', '', 'USER MAPPING ' || CASE WHEN umuser = 0 THEN 'public'"
    " ELSE usename END || ' SERVER ' || srvname, '', '' FROM pg_user_mappings",
    "SELECT 'PUBLICATION TABLE', n.nspname, p.pubname || ' ' || c.relname, '', ''"
    " FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid"
    " JOIN pg_class AS c ON c.oid = r.prrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace",
    "SELECT 'BLOB', '', oid::text, pg_catalog.pg_get_userbyid(lomowner), ''"
    " FROM pg_largeobject_metadata",
    _named("STATISTICS", "pg_statistic_ext", "stx", owner="stxowner"),
    _named("COLLATION", "pg_collation", "coll", owner="collowner"),
    _named("CONVERSION", "pg_conversion", "con", owner="conowner"),
    _named("OPERATOR", "pg_operator", "opr", owner="oprowner"),
    _named("OPERATOR CLASS", "pg_opclass", "opc", owner="opcowner"),
    _named("OPERATOR FAMILY", "pg_opfamily", "opf", owner="opfowner"),
    _named("TEXT SEARCH PARSER", "pg_ts_parser", "prs"),
    _named("TEXT SEARCH DICTIONARY", "pg_ts_dict", "dict", owner="dictowner"),
    _named("TEXT SEARCH TEMPLATE", "pg_ts_template", "tmpl"),
    _named("TEXT SEARCH CONFIGURATION", "pg_ts_config", "cfg", owner="cfgowner"),
    _named("SCHEMA", "pg_namespace", "nsp", schema=False, owner="nspowner"),
    _named("EXTENSION", "pg_extension", "ext", schema=False, owner="extowner"),
    _named("PROCEDURAL LANGUAGE", "pg_language", "lan", schema=False, owner="lanowner"),
    _named("ACCESS METHOD", "pg_am", "am", schema=False),
    _named(
        "FOREIGN DATA WRAPPER", "pg_foreign_data_wrapper", "fdw", schema=False, owner="fdwowner"
    ),
    _named("SERVER", "pg_foreign_server", "srv", schema=False, owner="srvowner"),
    _named("EVENT TRIGGER", "pg_event_trigger", "evt", schema=False, owner="evtowner"),
    _named("PUBLICATION", "pg_publication", "pub", schema=False, owner="pubowner"),
    "SELECT 'SUBSCRIPTION', '', subname, pg_catalog.pg_get_userbyid(subowner), ''"
    " FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database"
    " WHERE datname = pg_catalog.current_database())",
)
SINCE_15 = (
    "SELECT 'PUBLICATION TABLES IN SCHEMA', n.nspname, p.pubname || ' ' || n.nspname, '', ''"
    " FROM pg_publication_namespace AS r JOIN pg_publication AS p ON p.oid = r.pnpubid"
    " JOIN pg_namespace AS n ON n.oid = r.pnnspid",
)
COLUMNS = (
    "SELECT n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)"
    " FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f')"
    f" AND a.attnum > 0 AND NOT a.attisdropped AND {_OURS}"
)


def _held(
    kind: str, name: str, acl: str, default: str, source: str, schema: str = "n.nspname"
) -> str:
    """Who may do what to the objects of `source`; what nobody changed has the `default`."""
    effective = f"COALESCE({acl}, {default})" if default else acl
    return (
        f"SELECT {kind}, {schema}, {name}, e.grantee = 0,"
        " pg_catalog.pg_get_userbyid(e.grantee), e.privilege_type, e.is_grantable"
        f" FROM {source} CROSS JOIN LATERAL pg_catalog.aclexplode({effective}) AS e"
    )


_CLASS = "pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
# Kind, schema, name, whether it is PUBLIC, role, privilege, whether it may be handed on.
GRANTS = (
    _held(
        "CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END",
        "c.relname",
        "c.relacl",
        "pg_catalog.acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\","
        " c.relowner)",
        _CLASS,
    )
    + f" WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND {_OURS}",
    _held(
        "'COLUMN'",
        "c.relname || ' ' || a.attname",
        "a.attacl",
        "",
        f"{_CLASS} JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attacl IS NOT NULL",
    ),
    _held(
        "'SCHEMA'",
        "n.nspname",
        "n.nspacl",
        "pg_catalog.acldefault('n', n.nspowner)",
        "pg_namespace AS n",
        "''",
    ),
    _held(
        "CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END",
        _SIGNATURE,
        "p.proacl",
        "pg_catalog.acldefault('f', p.proowner)",
        "pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace",
    )
    + f" WHERE {_OURS}",
    _held(
        "'TYPE'",
        "t.typname",
        "t.typacl",
        "pg_catalog.acldefault('T', t.typowner)",
        "pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace",
    )
    + f" WHERE {_OURS}",
    _held(
        "'LANGUAGE'",
        "l.lanname",
        "l.lanacl",
        "pg_catalog.acldefault('l', l.lanowner)",
        "pg_language AS l",
        "''",
    ),
    _held(
        "'FOREIGN DATA WRAPPER'",
        "f.fdwname",
        "f.fdwacl",
        "pg_catalog.acldefault('F', f.fdwowner)",
        "pg_foreign_data_wrapper AS f",
        "''",
    ),
    _held(
        "'FOREIGN SERVER'",
        "s.srvname",
        "s.srvacl",
        "pg_catalog.acldefault('S', s.srvowner)",
        "pg_foreign_server AS s",
        "''",
    ),
    _held(
        "'LARGE OBJECT'",
        "l.oid::text",
        "l.lomacl",
        "pg_catalog.acldefault('L', l.lomowner)",
        "pg_largeobject_metadata AS l",
        "''",
    ),
    _held(
        "'DEFAULT ACL'",
        "pg_catalog.pg_get_userbyid(d.defaclrole) || ' ' || CASE d.defaclobjtype WHEN 'r' THEN"
        " 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'"
        " WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END",
        "d.defaclacl",
        "",
        "pg_default_acl AS d LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace",
        "COALESCE(n.nspname, '')",
    ),
)
EMPTY_GRANTS = (
    "SELECT 'DEFAULT ACL', COALESCE(n.nspname, ''), pg_catalog.pg_get_userbyid(d.defaclrole)"
    " || ' ' || CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f'"
    " THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END"
    " FROM pg_default_acl AS d LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace"
)
