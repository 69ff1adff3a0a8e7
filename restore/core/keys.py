"""Constraints in two halves, so that many can be made at once and none holds up the others.

A PRIMARY KEY or UNIQUE constraint becomes an index, which is built beside the table's others, and
ADD CONSTRAINT … USING INDEX, which takes a moment. A foreign key is added NOT VALID and validated
when every index is there. What comes of it is the same as of the whole statement.
Source: postgresql.org/docs/18/sql-altertable.html, ADD table_constraint_using_index and VALIDATE
CONSTRAINT; the statements are dumpConstraint's in pg_dump.c, PostgreSQL 13 to 18. Whatever does not
look exactly like them is left in one piece.
"""

from __future__ import annotations

import re

_NAME = rb'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
_COLUMNS = rb"\(" + _NAME + rb"(?:, " + _NAME + rb")*\)"
_ADD = rb"ALTER TABLE ONLY (?P<table>" + _NAME + rb"\." + _NAME + rb")\n    ADD CONSTRAINT "
_KEY = re.compile(
    _ADD
    + rb"(?P<name>"
    + _NAME
    + rb") (?P<kind>PRIMARY KEY|UNIQUE) (?P<columns>"
    + _COLUMNS
    + rb"(?: INCLUDE "
    + _COLUMNS
    + rb")?)(?P<when> DEFERRABLE(?: INITIALLY DEFERRED)?)?;"
)
_FOREIGN_KEY = re.compile(
    rb"(?P<added>"
    + _ADD
    + rb"(?P<name>"
    + _NAME
    + rb") FOREIGN KEY "
    + _COLUMNS
    + rb" REFERENCES "
    + _NAME
    + rb"\."
    + _NAME
    + _COLUMNS
    + rb"(?:[A-Z ]|"
    + _COLUMNS
    + rb")*);",
)
_VALIDATE = re.compile(
    rb"(?P<table>ALTER TABLE ONLY "
    + _NAME
    + rb"\."
    + _NAME
    + rb") VALIDATE CONSTRAINT (?P<name>"
    + _NAME
    + rb");"
)
_LEFT_ALONE = (b" NOT VALID", b" NOT ENFORCED")


def split_key(statement: bytes, inherits: bool = False) -> tuple[bytes, bytes] | None:
    """CREATE UNIQUE INDEX and ADD CONSTRAINT … USING INDEX; None if it cannot be split.

    `inherits`: the table is a partition or a child. PostgreSQL 18 takes the NOT NULLs that it has
    from its parent for its own when a primary key comes with USING INDEX, and only then.
    """
    key = _KEY.fullmatch(statement)
    if key is None or (inherits and key["kind"] == b"PRIMARY KEY"):
        return None
    name, table = key["name"], key["table"]
    index = b"CREATE UNIQUE INDEX %s ON %s USING btree %s;" % (name, table, key["columns"])
    added = b"ALTER TABLE ONLY %s\n    ADD CONSTRAINT %s %s USING INDEX %s%s;"
    return index, added % (table, name, key["kind"], name, key["when"] or b"")


def drop_constraint(statement: bytes) -> bytes:
    """What takes back a foreign key that was added and could not be validated."""
    return _VALIDATE.sub(rb"\g<table> DROP CONSTRAINT \g<name>;", statement)


def split_foreign_key(statement: bytes) -> tuple[bytes, bytes] | None:
    """ADD CONSTRAINT … NOT VALID and VALIDATE CONSTRAINT; None if it cannot be split."""
    key = _FOREIGN_KEY.fullmatch(statement)
    if key is None or any(words in key["added"] for words in _LEFT_ALONE):
        return None
    validate = b"ALTER TABLE ONLY %s VALIDATE CONSTRAINT %s;" % (key["table"], key["name"])
    return key["added"] + b" NOT VALID;", validate
