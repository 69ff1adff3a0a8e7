"""SQL before publishing, as far as it can be judged before anything is restored."""

from __future__ import annotations

import json

import pytest
from pydantic_core import PydanticCustomError

from restore.core.plain_sql import plain_sql
from restore.core.request import parse
from restore.core.request_error import RequestError


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM a",
        "DELETE FROM a;",
        ";; /* x */ ;\nSELECT 1 ;;",
        "UPDATE people SET mail = 'x' || id; -- masked\nDELETE FROM tokens -- all",
        "DO $$ BEGIN COMMIT; END $$",  # the server refuses that
        "PREPARE one AS SELECT 'COMMIT; \\gexec'",
        "SELECT 'ö', E'\\'; COMMIT; '",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; SELECT f()",
    ],
    ids=range(8),
)
def test_statements_stay_as_they_are(text):
    assert plain_sql(text) == text


REFUSED = [
    (" -- nothing", "a statement", "none"),
    (";", "a statement", "none"),
    ("SELECT 1; COMMIT; BEGIN; SELECT 2", "no transaction control", "COMMIT"),
    ("begin; SELECT 1", "no transaction control", "BEGIN"),
    ("SELECT 1; /* x */ rollback to a", "no transaction control", "ROLLBACK"),
    ("PREPARE  TRANSACTION 'a'", "no transaction control", "PREPARE"),
    ("\\! rm -rf /", "no meta-command", "\\!"),
    ("\\connect other", "SQL statements", "a meta-command"),
    ("SELECT 1 \\gexec", "no meta-command inside a statement", "a backslash"),
    ("COPY a FROM stdin;\n1\n\\.\n", "SQL statements", "rows of COPY"),
    ("COPY a TO PROGRAM 'sh'", "COPY … FROM stdin", "another COPY"),
    ("SELECT 'x", "the end of a literal", "the end of the script"),
    ("SELECT \0", "text", "a zero byte"),
    ("SELECT '\ud800'", "characters that UTF-8 has", "half a character"),
]


@pytest.mark.parametrize(("text", "expected", "found"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_or_would_end_the_transaction_is_refused(text, expected, found):
    with pytest.raises(PydanticCustomError) as caught:
        plain_sql(text)
    assert expected in caught.value.context["expected"]
    assert found in caught.value.context["found"]


def test_a_request_with_such_sql_is_refused_with_its_place():
    request = {
        "source": {"container": "https://landing.blob.core.windows.net/files"},
        "target": {"host": "pg2", "user": "admin"},
        "beforePublish": [{"database": "crm", "sql": "\\i mask.sql"}],
    }
    with pytest.raises(RequestError, match="/beforePublish/0/sql: expected no meta-command"):
        parse(json.dumps(request).encode())
