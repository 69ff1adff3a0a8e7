"""Level catalog: is every object of the table of contents there, valid, with owner and grants?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection
from restore.core.catalog import Expected, Found, State, Table, Thing
from restore.core.grants import PUBLIC
from restore.worker.verify import queries

_VALUES_AT_ONCE = 500
_KIND = re.compile(r"SELECT '([A-Z ]+)'")


def read(connection: Connection, wanted: Expected) -> Found:
    """What of `wanted` might be in the database the session is in. Reads only."""
    connection.execute("SET search_path = ''")
    things, unreadable = _things(connection)
    columns, grants = _columns(connection), _grants(connection, things)
    found = Found(things, columns, {}, grants, frozenset(unreadable))
    found.values.update(_values(connection, [t for t in wanted.values if _is_there(found, t)]))
    return found


def _is_there(found: Found, sequence: Table) -> bool:
    return Thing("SEQUENCE", *sequence) in found.things


def _things(connection: Connection) -> tuple[dict[Thing, list[State]], set[str]]:
    """What there is, and the kinds of which nothing may be read."""
    found: defaultdict[Thing, list[State]] = defaultdict(list)
    unreadable = set()
    newer = queries.SINCE_15 if connection.info.server_version >= 150000 else ()
    for query in (*queries.THINGS, *newer):
        try:
            rows = connection.execute(query.encode())
        except psycopg.errors.InsufficientPrivilege:
            unreadable.update(_KIND.findall(query))
            continue
        for kind, schema, name, owner, flaw in rows:
            found[Thing(kind, schema, name)].append(State(owner, flaw))
    return dict(found), unreadable


def _columns(connection: Connection) -> dict[Table, dict[str, str]]:
    found: defaultdict[Table, dict[str, str]] = defaultdict(dict)
    for schema, table, name, kind in connection.execute(queries.COLUMNS.encode()):
        found[schema, table][name] = kind
    return dict(found)


def _grants(
    connection: Connection, things: dict[Thing, list[State]]
) -> dict[Thing, frozenset[tuple[str, str, bool]]]:
    """By object; of what is there and grants nobody anything, nothing."""
    found: defaultdict[Thing, set[tuple[str, str, bool]]] = defaultdict(set)
    for query in queries.GRANTS:
        for kind, schema, name, public, role, privilege, may in connection.execute(query.encode()):
            found[Thing(kind, schema, name)].add((PUBLIC if public else role, privilege, may))
    for row in connection.execute(queries.EMPTY_GRANTS.encode()):
        found.setdefault(Thing(*row), set())
    for thing in things:
        found.setdefault(Thing(_GRANTED_AS.get(thing.kind, thing.kind), *thing[1:]), set())
    return {thing: frozenset(held) for thing, held in found.items()}


_GRANTED_AS = {
    "VIEW": "TABLE",
    "MATERIALIZED VIEW": "TABLE",
    "FOREIGN TABLE": "TABLE",
    "AGGREGATE": "FUNCTION",
    "DOMAIN": "TYPE",
    "PROCEDURAL LANGUAGE": "LANGUAGE",
    "SERVER": "FOREIGN SERVER",
    "BLOB": "LARGE OBJECT",
}
"""Where a grant's word for an object is another than the object's own."""


def _values(
    connection: Connection, sequences: Sequence[Table]
) -> Iterator[tuple[Table, tuple[int, bool] | None]]:
    """Where each sequence stands, many in one query; None for those that may not be read."""
    rest = iter(sequences)
    while group := list(islice(rest, _VALUES_AT_ONCE)):
        try:
            yield from _read_values(connection, group)
        except psycopg.errors.InsufficientPrivilege:
            for sequence in group:
                yield from _read_one(connection, sequence)


def _read_one(
    connection: Connection, sequence: Table
) -> list[tuple[Table, tuple[int, bool] | None]]:
    try:
        return list(_read_values(connection, [sequence]))
    except psycopg.errors.InsufficientPrivilege:
        return [(sequence, None)]


def _read_values(
    connection: Connection, sequences: Sequence[Table]
) -> list[tuple[Table, tuple[int, bool] | None]]:
    one = sql.SQL("SELECT {}::integer, last_value, is_called FROM {}")
    queries = [
        one.format(sql.Literal(place), sql.Identifier(*sequence))
        for place, sequence in enumerate(sequences)
    ]
    rows = connection.execute(sql.SQL(" UNION ALL ").join(queries)).fetchall()
    return [(sequences[place], (value, called)) for place, value, called in rows]
