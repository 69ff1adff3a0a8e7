"""pg_restore's script falls into its entries, whatever names and texts in it look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.archive import read_head
from restore.core.entries import PREAMBLE, EntrySql, entries
from restore.core.post import Stage, outlines
from restore.core.psql import Statement, pieces
from restore.core.toc import Entry, Head
from restore.errors import ScriptError

DATA = Path(__file__).parent.parent / "data"
SCRIPTS = {path.name: path.read_bytes() for path in sorted(DATA.glob("entries/*-pg*.sql"))}
each = pytest.mark.parametrize("name", SCRIPTS)
crm = pytest.mark.parametrize("name", ["crm-pg16.sql", "crm-pg18.sql"])
hostile = pytest.mark.parametrize("name", ["hostile-pg16.sql", "hostile-pg18.sql"])
NO_TABLESPACE = b"SET default_tablespace = '';"
HEAP = b"SET default_table_access_method = heap;"
HEADER = b"-- TOC entry 7 (class 1 OID 2)"


def every(script: bytes, size: int) -> Iterator[bytes]:
    return (script[at : at + size] for at in range(0, len(script), size))


def head_of(script: str) -> Head:
    content = (DATA / script).with_suffix(".dump").read_bytes()
    head = read_head(content, len(content))
    assert isinstance(head, Head)
    return head


def found_in(script: bytes) -> dict[int, EntrySql]:
    found = list(entries([script]))
    assert len({entry.dump_id for entry in found}) == len(found)
    return {entry.dump_id: entry for entry in found}


def the(name: str, start: bytes) -> EntrySql:
    """The one entry with a first statement that starts like this."""
    [entry] = (e for e in entries([SCRIPTS[name]]) if e.statements[0].startswith(start))
    return entry


def words(texts: Iterable[bytes]) -> list[bytes]:
    return b" ".join(texts).split()


@each
@pytest.mark.parametrize("size", [1, 7, 61, 4096])
def test_where_the_script_is_cut_does_not_matter(name, size):
    assert list(entries(every(SCRIPTS[name], size))) == list(entries([SCRIPTS[name]]))


@each
def test_no_statement_is_lost_or_moved(name):
    """But for settings, which become those of the entries behind them."""
    whole = [piece.text for piece in pieces([SCRIPTS[name]]) if isinstance(piece, Statement)]
    found = [statement for entry in entries([SCRIPTS[name]]) for statement in entry.statements]
    kept = [s for s in whole if not s.startswith(b"SET default_")]
    assert found == kept
    assert len(kept) < len(whole)


@each
def test_the_preamble_comes_first_and_sets_up_the_session(name):
    first = next(entries([SCRIPTS[name]]))
    timeouts = [b"statement", b"lock", b"idle_in_transaction_session"]
    timeouts += [b"transaction"] if "pg18" in name else []
    assert (first.dump_id, first.settings) == (PREAMBLE, ())
    assert first.statements == (
        *(b"SET %s_timeout = 0;" % timeout for timeout in timeouts),
        b"SET client_encoding = 'UTF8';",
        b"SET standard_conforming_strings = on;",
        b"SELECT pg_catalog.set_config('search_path', '', false);",
        b"SET check_function_bodies = false;",
        b"SET xmloption = content;",
        b"SET client_min_messages = warning;",
        b"SET row_security = off;",
    )


@crm
def test_entries_are_those_of_the_archive_with_its_statements(name):
    head = head_of(name)
    wanted = {o.dump_id for o in outlines(head.entries) if o.stage is not Stage.DATA}
    found = found_in(SCRIPTS[name])
    assert set(found) == wanted | {PREAMBLE}
    for dump_id in wanted:
        entry = head.entry(dump_id)
        if entry.description != "BLOB METADATA":
            made = words(found[dump_id].statements)
            definition = words([entry.definition_bytes])
            assert made[: len(definition)] == definition
            assert owner_of(entry) in b" ".join(made[len(definition) :])


def owner_of(entry: Entry) -> bytes:
    """What ends the ALTER behind the statements of what has an owner that way."""
    kinds = ("SCHEMA", "TYPE", "FUNCTION", "TABLE", "VIEW", "MATERIALIZED VIEW", "BLOB")
    return b"OWNER TO %s;" % entry.owner.encode() if entry.description in kinds else b""


@crm
def test_entries_come_in_the_order_of_pg_restore(name):
    """Grants behind all objects, and views are refreshed behind all grants."""
    head = head_of(name)
    order = [entry.dump_id for entry in entries([SCRIPTS[name]])][1:]
    kinds = [head.entry(dump_id).description for dump_id in order]
    assert kinds.index("ACL") > kinds.index("FK CONSTRAINT") > kinds.index("CONSTRAINT")
    assert kinds[-1] == "MATERIALIZED VIEW DATA"
    assert order != [o.dump_id for o in outlines(head.entries) if o.stage is not Stage.DATA]


@crm
def test_settings_hold_until_they_change(name):
    found = list(entries([SCRIPTS[name]]))
    table = next(i for i, e in enumerate(found) if e.statements[0].startswith(b"CREATE TABLE"))
    assert {entry.settings for entry in found[:table]} == {()}
    assert {entry.settings for entry in found[table:]} == {(NO_TABLESPACE, HEAP)}


@crm
@pytest.mark.parametrize(
    ("start", "statements"),
    [
        (
            b"CREATE SCHEMA app",
            (b"CREATE SCHEMA app;", b"ALTER SCHEMA app OWNER TO app_owner;"),
        ),
        (
            b"COMMENT ON TABLE app",
            (b"COMMENT ON TABLE app.parent IS 'multi\nline; comment \\connect x';",),
        ),
        (
            b"SELECT pg_catalog.setval",
            (b"SELECT pg_catalog.setval('app.parent_id_seq', 5, true);",),
        ),
        (
            b"SELECT pg_catalog.lo_create",
            (b"SELECT pg_catalog.lo_create('4242');", b"ALTER LARGE OBJECT 4242 OWNER TO azuresu;"),
        ),
        (b"GRANT SELECT ON TABLE", (b"GRANT SELECT ON TABLE app.parent TO app_ro;",)),
        (b"REFRESH", (b"REFRESH MATERIALIZED VIEW app.mv;",)),
    ],
)
def test_an_entry_has_its_statements_as_they_are(name, start, statements):
    assert the(name, start).statements == statements


@crm
def test_a_function_is_one_statement_whatever_is_in_it(name):
    made, owner = the(name, b"CREATE FUNCTION app.f()").statements
    assert made.endswith(b"COPY app.fake (a) FROM stdin;\n$$;\nend\n$_$;")
    assert owner == b"ALTER FUNCTION app.f() OWNER TO app_owner;"


@hostile
def test_what_looks_like_an_entry_inside_of_a_statement_is_none(name):
    found = found_in(SCRIPTS[name])
    assert 7 not in found
    with_header = [e for e in found.values() if HEADER in b"".join(e.statements)]
    starts = [b" ".join(entry.statements[0].split()[:2]) for entry in with_header]
    assert starts == [
        b"CREATE SCHEMA",
        b"CREATE FUNCTION",
        b"CREATE TABLE",
        b"COMMENT ON",
        b"CREATE VIEW",
        b"CREATE TABLE",
        b"COMMENT ON",
        b"ALTER TABLE",
        b"CREATE INDEX",
        b"CREATE RULE",
    ]
    owned = {b"CREATE SCHEMA", b"CREATE FUNCTION", b"CREATE TABLE", b"CREATE VIEW"}
    for start, entry in zip(starts, with_header, strict=True):
        assert len(entry.statements) == 1 + (start in owned)


@hostile
def test_a_tablespace_holds_for_its_table_only_however_it_is_called(name):
    """Its name ends no statement, and none of its SET lies in the entry before."""
    tables = [e for e in entries([SCRIPTS[name]]) if e.statements[0].startswith(b"CREATE TABLE")]
    assert [entry.settings[0] for entry in tables] == [
        NO_TABLESPACE,
        b'SET default_tablespace = "fast; --";',
    ]
    index = the(name, b"CREATE INDEX moved_a")
    assert index.settings == (NO_TABLESPACE, HEAP)
    for entry in entries([SCRIPTS[name]]):
        assert not any(statement.startswith(b"SET default_") for statement in entry.statements)


@hostile
def test_a_body_that_the_server_parsed_is_one_statement(name):
    made, owner = the(name, b"CREATE FUNCTION public.parsed").statements
    assert made.endswith(b'END AS "case";\nEND;')
    assert owner.startswith(b"ALTER FUNCTION public.parsed(")


def script(*lines: bytes) -> bytes:
    return b"\n".join(
        [b"SET row_security = off;", b"--", HEADER, b"-- Name: x", b"--", b"", *lines]
    )


def test_an_entry_without_statements_is_told_too():
    found = list(entries([script(b"-- TOC entry 8 (class 0 OID 0)", b"SELECT 8;")]))
    assert found == [
        EntrySql(PREAMBLE, (b"SET row_security = off;",)),
        EntrySql(7, ()),
        EntrySql(8, (b"SELECT 8;",)),
    ]


def test_a_script_of_nothing_is_an_empty_preamble():
    assert list(entries([])) == [EntrySql(PREAMBLE, ())]


def test_a_setting_inside_of_an_entry_holds_for_those_behind_it():
    """The last of each name, in the order in which they were first set."""
    found = found_in(
        script(
            b"SET default_tablespace = a;",
            b"SELECT 7;",
            b"SET default_toast_compression = 'lz4';",
            b'SET default_tablespace = "b\nc";',
            b"-- TOC entry 8 (class 0 OID 0)",
            b"SET SESSION AUTHORIZATION x;",
            b"GRANT SELECT ON TABLE a.b TO y;",
            b"RESET SESSION AUTHORIZATION;",
        )
    )
    assert found[7] == EntrySql(7, (b"SELECT 7;",))
    assert found[8].settings == (
        b'SET default_tablespace = "b\nc";',
        b"SET default_toast_compression = 'lz4';",
    )
    assert [statement[:5] for statement in found[8].statements] == [b"SET S", b"GRANT", b"RESET"]


@pytest.mark.parametrize(
    "header",
    [
        b"-- TOC entry 8",
        b"-- TOC entry 8 (class 0 OID 0) ",
        b"--  TOC entry 8 (class 0 OID 0)",
        b"-- TOC entry x (class 0 OID 0)",
        b"-- Name: a -- TOC entry 8 (class 0 OID 0)",
        b"/*\n-- TOC entry 8 (class 0 OID 0)\n*/",
        b"SELECT 8\n-- TOC entry 8 (class 0 OID 0)\n;",
        b"SELECT '\n-- TOC entry 8 (class 0 OID 0)\n';",
        b'SELECT 1 AS "\n-- TOC entry 8 (class 0 OID 0)\n";',
        b"SELECT $x$\n-- TOC entry 8 (class 0 OID 0)\n$x$;",
    ],
)
def test_only_a_line_of_its_own_between_statements_begins_an_entry(header):
    found = found_in(script(header, b"SELECT 9;"))
    trailing_space = header.endswith(b" ")  # psql's reader leaves it out
    assert list(found) == ([PREAMBLE, 7, 8] if trailing_space else [PREAMBLE, 7])


@pytest.mark.parametrize(
    "statement",
    [
        b"BEGIN;",
        b"begin isolation level serializable;",
        b"START TRANSACTION;",
        b"COMMIT;",
        b"Commit\nAND CHAIN;",
        b"END;",
        b"ROLLBACK;",
        b"ROLLBACK TO SAVEPOINT x;",
        b"ABORT;",
        b"COMMIT PREPARED 'x';",
        b"PREPARE TRANSACTION 'x';",
        b"prepare\n\ttransaction 'x';",
    ],
)
def test_transaction_control_is_refused(statement):
    """A committed half of an entry would be made again, or its other half never."""
    with pytest.raises(ScriptError, match="expected no transaction control") as caught:
        list(entries([script(b"SELECT 7;", b"-- a comment", statement)]))
    assert "tampered" in caught.value.hint


@pytest.mark.parametrize("statement", [b"PREPARE x AS SELECT 1;", b"COMMENT ON TABLE a.b IS 'x';"])
def test_what_only_looks_like_transaction_control_is_taken(statement):
    assert found_in(script(statement))[7].statements == (statement,)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([b"COPY a.b (c) FROM stdin;", b"1", b"\\."], "copy"),
        ([b"\\connect x"], "meta"),
        ([b"\\encoding UTF8"], "meta"),
    ],
)
def test_rows_and_meta_commands_are_refused(lines, found):
    with pytest.raises(ScriptError) as caught:
        list(entries([script(*lines, b"")]))
    assert caught.value.message == f"entry 7: expected statements, found {found}"


def test_restrict_is_left_out_if_it_is_closed_with_its_key():
    lines = [b"\\restrict abc", b"SELECT 7;", b"\\unrestrict abc"]
    assert found_in(script(*lines))[7].statements == (b"SELECT 7;",)
    with pytest.raises(ScriptError, match=r"expected \\unrestrict with its key"):
        list(entries([script(*lines[:2], b"\\unrestrict abd")]))


@pytest.mark.parametrize("line", [b"\\! true", b"\\i x", b"SELECT 7 \\gexec", b"\\copy a from 'b'"])
def test_what_would_run_programs_is_refused(line):
    with pytest.raises(ScriptError, match="no meta-command"):
        list(entries([script(line, b"")]))


@each
@settings(deadline=None, derandomize=True)
@given(st.integers(0), st.integers(1, 500))
def test_a_script_cut_off_anywhere_gives_only_what_the_whole_gives(name, length, size):
    """Nor ever half a statement: whoever ran pg_restore knows whether it reached its end."""
    whole = list(entries([SCRIPTS[name]]))
    cut = SCRIPTS[name][: length % len(SCRIPTS[name])]
    found = []
    try:
        found += entries(every(cut, size))
    except ScriptError:
        return
    assert found[:-1] == whole[: len(found) - 1]
    last = whole[len(found) - 1]
    assert found[-1].dump_id == last.dump_id
    assert found[-1].statements == last.statements[: len(found[-1].statements)]
