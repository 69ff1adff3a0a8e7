from __future__ import annotations

import pytest

from restore.core.complaints import Complaint, Kind, Listener

IGNORED = "pg_restore: warning: errors ignored on restore: 1"


def verdict(text, exit_code):
    listener = Listener()
    for line in text.splitlines():
        listener.hear(line)
    return listener.verdict(exit_code)


@pytest.mark.parametrize(
    ("message", "command", "kind"),
    [
        (
            'unrecognized configuration parameter "transaction_timeout"',
            "SET transaction_timeout = 0;",
            Kind.HARMLESS,
        ),
        ('schema "public" already exists', "CREATE SCHEMA public;", Kind.HARMLESS),
        ("must be owner of schema public", "COMMENT ON SCHEMA public IS 'x';", Kind.HARMLESS),
        (
            "must be owner of extension plpgsql",
            "COMMENT ON EXTENSION plpgsql IS 'x';",
            Kind.HARMLESS,
        ),
        ('must be able to SET ROLE "azuresu"', "ALTER TABLE app.t OWNER TO azuresu;", Kind.OWNER),
        ('role "x" does not exist', "ALTER FUNCTION app.f(integer, text) OWNER TO x;", Kind.OWNER),
        ('role "x" does not exist', "GRANT SELECT ON TABLE app.t TO x;", Kind.LOST),
        ('schema "public2" already exists', "CREATE SCHEMA public2;", Kind.LOST),
        (
            "must be owner of extension postgis",
            "COMMENT ON EXTENSION postgis IS 'x';",
            Kind.EXPECTED,
        ),
        (
            "permission denied to create event trigger",
            "CREATE EVENT TRIGGER e ON ddl_command_start",
            Kind.EXPECTED,
        ),
        ("column x does not exist", "ALTER TABLE app.t OWNER TO x;", Kind.LOST),
        ("permission denied for schema s", "ALTER TABLE s.t OWNER TO x;", Kind.OWNER),
        (
            "must be superuser to create FOR ALL TABLES publication",
            "CREATE PUBLICATION p FOR ALL TABLES;",
            Kind.EXPECTED,
        ),
        ("permission denied for language c", "CREATE FUNCTION f() RETURNS int", Kind.EXPECTED),
        ("permission denied for schema s", "CREATE FUNCTION s.f() RETURNS int", Kind.LOST),
    ],
)
def test_each_complaint_is_weighed_by_its_command_and_its_message(message, command, kind):
    text = f"pg_restore: error: could not execute query: ERROR:  {message}\nCommand was: {command}"
    (complaint,) = verdict(f"{text}\n{IGNORED}", 1).complaints
    assert (complaint.kind, complaint.message) == (kind, message)


@pytest.mark.parametrize("to", ["", " to fast_disk"])
def test_a_table_whose_tablespace_is_not_there_is_there_itself(to):
    text = (
        f'pg_restore: error: could not set "default_tablespace"{to}: ERROR:  invalid value for'
        ' parameter "default_tablespace": "fast_disk"\n'
        'DETAIL:  Tablespace "fast_disk" does not exist.'
    )
    found = verdict(f"{text}\n{IGNORED}", 1)
    assert (found.fatal, [c.kind for c in found.complaints]) == ("", [Kind.HARMLESS])


@pytest.mark.parametrize(
    ("sqlstate", "kind"), [("42501", Kind.EXPECTED), ("", Kind.EXPECTED), ("23505", Kind.LOST)]
)
def test_a_state_that_does_not_go_with_the_message_makes_it_a_loss(sqlstate, kind):
    said = "permission denied to create event trigger"
    assert Complaint("CREATE EVENT TRIGGER e", said, sqlstate).kind is kind


def test_neither_literals_nor_rows_of_a_failed_command_are_kept():
    found = verdict(
        "pg_restore: error: could not execute query: ERROR:  permission denied\n"
        "DETAIL:  Failing row contains (4711, secret).\n"
        "Command was: CREATE USER MAPPING FOR x SERVER y OPTIONS (\n"
        "    password 'secret'\n);\n"
        'pg_restore: error: COPY failed for table "t": ERROR:  invalid input\n'
        'CONTEXT:  COPY t, line 1, column i: "secret"\n' + IGNORED,
        1,
    )
    assert found.of(Kind.LOST) == (
        "CREATE USER MAPPING FOR x SERVER y OPTIONS: permission denied",
        "rows of table t: invalid input",
    )


@pytest.mark.parametrize(
    ("text", "exit_code", "fatal"),
    [
        ("", 0, ""),
        (IGNORED, 1, ""),
        (
            "pg_restore: error: could not read from input file: end of file",
            1,
            "could not read from input file: end of file",
        ),
        ("", 1, "exit 1, no message"),
        ("", -9, "exit -9, no message"),
        (
            "pg_restore: error: could not execute query: ERROR:  out of luck\n"
            "pg_restore: error: a worker process died unexpectedly",
            1,
            "a worker process died unexpectedly",
        ),
    ],
)
def test_only_a_run_that_says_what_it_ignored_reached_its_end(text, exit_code, fatal):
    assert verdict(text, exit_code).fatal == fatal


def test_an_ignored_error_that_could_not_be_read_still_counts():
    garbled = "pg_restore:pg_restore: err executing\n" + IGNORED
    assert len(verdict(garbled, 1).of(Kind.LOST)) == 1


QUERY = "could not execute query: ERROR:  permission denied for database x"


@pytest.mark.parametrize(
    "labels",
    [
        "",
        " error: ",
        "error: ",
        "pg_restore:",
        "pg_restore: error: ",
        "pg_restore:pg_restore: error: ",
        "pg_restore: pg_restore:error: error: ",
        "pg_restore:pg_restore:  error: error: ",
        "pg_restore: error: pg_restore:",
        "error: pg_restore: error: ",
    ],
)
def test_labels_of_jobs_that_write_at_the_same_time_hide_no_complaint(labels):
    text = f"{labels}{QUERY}\nCommand was: ALTER PUBLICATION p OWNER TO o;\n\n\n error: \n{IGNORED}"
    assert verdict(text, 1).of(Kind.OWNER) == (
        "ALTER PUBLICATION p OWNER TO o: permission denied for database x",
    )
    assert verdict(text.removesuffix(IGNORED), 1).fatal.startswith("exit 1, ALTER PUBLICATION p")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("error: no label of ours", ""),
        ("pg_restore: says nothing", ""),
        ("pg_restore: error: out of memory", "out of memory"),
    ],
)
def test_only_what_pg_restore_itself_calls_an_error_ends_it(line, kept):
    found = verdict(f"pg_restore: error: {QUERY}\nCommand was: CREATE FUNCTION f\n{line}", 1)
    assert found.fatal == (kept or "exit 1, CREATE FUNCTION f: permission denied for database x")


def test_of_very_many_complaints_the_first_are_kept():
    """A million refused objects must not fill the memory; that some were refused is enough."""
    text = "pg_restore: error: could not execute query: ERROR:  no {}"
    found = verdict("\n".join(map(text.format, range(10_005))) + f"\n{IGNORED}", 1)
    assert len(found.complaints) == 10_000
    assert found.complaints[-1].message == "no 9999"
