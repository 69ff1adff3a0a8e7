"""What a blob is: by its name, by its first bytes, and as one of a set."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.core.dumps import (
    SYSTEM_DATABASES,
    Blob,
    Dump,
    Format,
    Kind,
    Label,
    classify,
    confirm,
    format_of,
    read_set,
)
from restore.errors import DumpSetError

GUID = "d98a8d0a-89c8-4b84-9c58-c6c8743e8478"
OTHER = "11111111-2222-3333-4444-555555555555"


def blob(name: str, size_bytes: int = 1) -> Blob:
    return Blob(name, size_bytes, f'"{name}"')


REAL_LISTING = [
    "backupstarttimestamp",
    f"{GUID}_database_a2assessment.sql",
    f"{GUID}_database_azure_maintenance.sql",
    f"{GUID}_database_azure_sys.sql",
    f"{GUID}_database_postgres.sql",
    f"{GUID}_database_template1.sql",
    f"{GUID}_roles.sql",
    f"{GUID}_schema.sql",
    f"{GUID}_tablespaces.sql",
]


@pytest.mark.parametrize(
    ("name", "database"),
    [
        (f"{GUID}_database_crm.sql", "crm"),
        (f"{GUID}_database_crm", "crm"),
        (f"{GUID}_database_crm.sql.sql", "crm.sql"),
        (f"{GUID}_database_.sql.sql", ".sql"),
        (f"{GUID}_database__database_.sql", "_database_"),
        (f"{GUID}_database_a_database_b.sql", "a_database_b"),
        (f"{GUID}_database_roles.sql", "roles"),
        (f"{GUID}_database_My Shop €.sql", "My Shop €"),
        (f"{GUID}_database_two\nlines.sql", "two\nlines"),
        (f"{GUID}_database_a/{OTHER}_roles.sql", f"a/{OTHER}_roles"),
        (f"{GUID.upper()}_DATABASE_Crm.SQL", "Crm"),
        (f"2026/april/{GUID}_database_crm.sql", "crm"),
    ],
)
def test_a_database_is_named_by_everything_after_the_first_marker(name, database):
    assert classify(name) == Label(Kind.DATABASE, GUID, database)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        ("roles.sql", Kind.ROLES),
        ("Roles", Kind.ROLES),
        ("schema.sql", Kind.SCHEMA),
        ("schemas", Kind.SCHEMA),
        ("Schema.sql", Kind.SCHEMA),
        ("tablespaces.sql", Kind.TABLESPACES),
        ("Tablespace.SQL", Kind.TABLESPACES),
    ],
)
def test_globals_are_known_in_every_spelling_seen(suffix, kind):
    assert classify(f"{GUID}_{suffix}") == Label(kind, GUID)


@pytest.mark.parametrize(
    "name", ["backupstarttimestamp", "BackupStartTimestamp", "x/backupstarttimestamp"]
)
def test_the_timestamp_belongs_to_no_set(name):
    assert classify(name) == Label(Kind.TIMESTAMP)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "readme.txt",
        "crm.sql",
        "backupstarttimestamp.sql",
        f"{GUID}.sql",
        f"{GUID}_",
        f"{GUID}_database_",
        f"{GUID}_databases_crm.sql",
        f"{GUID}_roles.sql.gz",
        f"x{GUID}_roles.sql",
        f"{GUID[:-1]}_roles.sql",
    ],
)
def test_anything_else_is_unknown(name):
    assert classify(name).kind is Kind.UNKNOWN


@settings(deadline=None, derandomize=True)
@given(st.text(min_size=1))
def test_every_database_name_survives_the_vaults_naming(database):
    assert classify(f"{GUID}_database_{database}.sql") == Label(Kind.DATABASE, GUID, database)


def test_a_real_listing_is_one_set_without_its_system_databases():
    found = read_set(map(blob, REAL_LISTING))
    assert found.set_id == GUID
    assert found.databases == (Dump(blob(REAL_LISTING[1]), "a2assessment"),)
    assert found.timestamp == blob("backupstarttimestamp")
    assert found.roles == blob(f"{GUID}_roles.sql")
    assert found.schema == blob(f"{GUID}_schema.sql")
    assert found.tablespaces == blob(f"{GUID}_tablespaces.sql")
    assert [left.reason for left in found.skipped] == [
        "system database 'azure_maintenance'",
        "system database 'azure_sys'",
        "system database 'postgres'",
        "system database 'template1'",
    ]
    assert found.unknown == ()


def test_a_system_database_is_taken_when_asked_for_by_name():
    found = read_set(map(blob, REAL_LISTING), include=["postgres"])
    assert [dump.database for dump in found.databases] == ["a2assessment", "postgres"]
    assert "postgres" not in {left.blob.name for left in found.skipped}


def test_what_is_unknown_is_reported_not_guessed():
    names = [f"{GUID}_database_crm.sql", "crm.sql", f"{GUID}_users.sql"]
    found = read_set(map(blob, names))
    assert [left.blob.name for left in found.unknown] == ["crm.sql", f"{GUID}_users.sql"]
    assert {left.reason for left in found.unknown} == {"not a name the vault writes"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            [f"{GUID}_database_a.sql", f"{OTHER}_database_b.sql"],
            f"container: expected the files of one backup, found 2: {OTHER}, {GUID}",
        ),
        (
            [f"{GUID}_database_a.sql", f"{GUID}_database_a"],
            f"database 'a': expected one file, found '{GUID}_database_a'"
            f" and '{GUID}_database_a.sql'",
        ),
        (
            [f"{GUID}_database_a.sql", f"{GUID}_schema.sql", f"{GUID}_schemas"],
            f"schema: expected one file, found '{GUID}_schema.sql' and '{GUID}_schemas'",
        ),
        ([], "container: expected at least one <guid>_database_<name>.sql, found nothing"),
        (
            [f"{GUID}_roles.sql", "x"],
            "container: expected at least one <guid>_database_<name>.sql,"
            f" found '{GUID}_roles.sql', 'x'",
        ),
        (
            [f"{GUID}_database_{name}.sql" for name in sorted(SYSTEM_DATABASES)] + ["x", "y"],
            "and 2 more",
        ),
    ],
)
def test_what_is_not_one_restorable_set_is_refused(names, message):
    with pytest.raises(DumpSetError) as caught:
        read_set(map(blob, names))
    assert message in caught.value.message
    assert caught.value.hint


def dump(database: str) -> Dump:
    return Dump(blob(f"{GUID}_database_{database}.sql"), database)


@pytest.mark.parametrize(
    ("named", "archived", "database", "agrees"),
    [
        ("crm", "crm", "crm", True),
        ("crm", "", "crm", True),
        ("My%20Shop%20%E2%82%AC", "My Shop €", "My Shop €", True),
        ("My+Shop", "My Shop", "My Shop", True),
        ("100%25", "100%25", "100%25", True),
        ("crm", "CRM", "CRM", False),
        ("crm", "erp", "erp", False),
    ],
)
def test_the_archive_decides_what_a_database_is_called(named, archived, database, agrees):
    found = confirm(dump(named), archived)
    assert (found.database, found.agrees) == (database, agrees)
    assert bool(found.note) == (named != database)


TAR = b"toc.dat".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0")


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (b"", Format.EMPTY),
        (b"PGDMP\x01\x0f\x00", Format.ARCHIVE),
        (TAR, Format.TAR),
        (TAR.replace(b"toc.dat", b"tic.tac"), Format.UNKNOWN),
        (b"--\n-- PostgreSQL database dump\n--\n", Format.SCRIPT),
        (b"\n", Format.SCRIPT),
        (b"\x1f\x8b\x08\x00\x00", Format.UNKNOWN),
    ],
)
def test_the_format_is_told_by_the_first_bytes(prefix, expected):
    assert format_of(prefix) is expected
