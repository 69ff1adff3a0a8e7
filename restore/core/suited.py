"""Which archives the engine can restore; the others are left to pg_restore."""

from __future__ import annotations

from restore.core.psql import UNSAFE_ENCODINGS
from restore.core.rows import copy_parts
from restore.core.toc import Entry, Head
from restore.errors import ArchiveError

LEDGER_SCHEMA = "_restore_ledger"
"""Where the engine notes what is done, in the database itself, until all is."""

_KINDS = ("TABLE DATA", "BLOBS")


def unsuited(head: Head) -> str:
    """Why the engine cannot restore it; "" if it can."""
    rows = map(odd_rows, head.entries.described("TABLE DATA").with_data)
    return odd(head) or next(filter(None, rows), "")


def odd(head: Head) -> str:
    """The same, but for the rows of its tables."""
    if head.encoding.upper().encode() in UNSAFE_ENCODINGS:
        return f"its text is in {head.encoding}, which hides quotes inside of letters"
    others = len(head.data_entries) - len(head.entries.described(*_KINDS).with_data)
    if others:
        return f"{others} of its entries bring data of a kind that is not known"
    if any(schema.tag == LEDGER_SCHEMA for schema in head.entries.described("SCHEMA")):
        return f"it has a schema {LEDGER_SCHEMA} of its own"
    return ""


def odd_rows(entry: Entry) -> str:
    """The same of a table's rows."""
    if not entry.copy_bytes:
        return "its rows come by INSERT"
    try:
        copy_parts(entry.copy_bytes)
    except ArchiveError as exc:
        return exc.message
    return ""
