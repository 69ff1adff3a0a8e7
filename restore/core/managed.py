"""What of an archive a login that is no superuser cannot create, and why.

The superuser of a managed server is the service's. What only a superuser may create is left out of
a restore there, with all that needs it, and reported. Rows never are: a table is always made, so
that the restore fails where the table cannot be.
Source: the permission checks of the commands in src/backend/commands, PostgreSQL 15 to 18; how
their statements read, pg_dump.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from restore.core.powers import SUBSCRIBER, SUBSCRIBES_SINCE, Powers
from restore.core.psql import Statement, pieces
from restore.core.role_target import SUPERUSER_PARAMETERS, is_system
from restore.core.sql import Token, TokenKind
from restore.core.toc import Entry, statement_tokens

_BY_SUPERUSER = "only a superuser can create it"
_ALWAYS = frozenset(
    {
        "ACCESS METHOD",
        "EVENT TRIGGER",
        "FOREIGN DATA WRAPPER",
        "OPERATOR CLASS",
        "OPERATOR FAMILY",
        "PROCEDURAL LANGUAGE",
        "PUBLICATION TABLES IN SCHEMA",
        "SHELL TYPE",
        "TEXT SEARCH PARSER",
        "TEXT SEARCH TEMPLATE",
    }
)
_ROUTINES = ("FUNCTION", "PROCEDURE")
_ROWS_STAND_IN = ("SCHEMA", "SEQUENCE", "TABLE")
_TYPES = frozenset({"DOMAIN", "FOREIGN TABLE", "MATERIALIZED VIEW", "TABLE", "TYPE", "VIEW"})
_CATALOGS = ("information_schema", "pg_catalog")
_UNTRUSTED = frozenset(
    {"c", "internal", "plperlu", "plpython2u", "plpython3u", "plpythonu", "pltclu"}
)
# What a routine's own options may say of itself; its body comes last.
_SUSPECT = re.compile(rb"LANGUAGE \"?(?:c|internal|\w+u)\b|LEAKPROOF|SUPPORT|\n    SET ")

_FOR_ANOTHER = b"SET SESSION AUTHORIZATION "
_SETS_SESSION = re.compile(rb"(?:RE)?SET SESSION AUTHORIZATION\b")
_OWNER_TO = re.compile(r" OWNER TO (.+?);?$")
_MUST_BE = re.compile(r'must be (?:able to SET ROLE|member of role) "(.+)"')
_NAME = rb'(?:"(?:[^"]|"")+"|[^" .;(]+)'
_SHELL = re.compile(rb"CREATE TYPE " + _NAME + rb"\." + _NAME + rb";\s*")


def left_out(entries: Iterable[Entry], login: Powers) -> dict[int, str]:
    """The entries that cannot be made, by their ids, and why; with all that needs one of them.

    What is needed stands before what needs it: pg_dump sorts the TOC so. Never an entry that brings
    rows, nor what rows stand in.
    """
    if login.superuser:
        return {}
    names: dict[int, str] = {}
    reasons: dict[int, str] = {}
    kinds: dict[int, str] = {}
    for entry in entries:
        kinds[entry.dump_id] = entry.description
        if entry.has_data or entry.description in _ROWS_STAND_IN:
            continue
        reason = _why(entry, login, kinds)
        if not reason:
            needs = (*entry.dependencies, *_servers(entry, names))
            need = next((need for need in needs if need in reasons), None)
            reason = f"it needs {names[need]}, which is left out" if need is not None else ""
        if reason:
            reasons[entry.dump_id] = reason
            names[entry.dump_id] = f"{entry.description} {name_of(entry)}"
    return reasons


def _servers(entry: Entry, names: Mapping[int, str]) -> tuple[int, ...]:
    """The server of a user mapping, which its entry only names, if it is left out.

    Source: dumpUserMappings in pg_dump.c, PostgreSQL 13 to 18.
    """
    if entry.description != "USER MAPPING":
        return ()
    return tuple(number for number, name in names.items() if entry.tag.endswith(f" {name}"))


def broken_tables(entries: Iterable[Entry], reasons: Mapping[int, str]) -> tuple[str, ...]:
    """Tables that are made, though something they say they need is left out: that may fail."""
    return tuple(
        name_of(entry)
        for entry in (entries if reasons else ())
        if entry.description == "TABLE" and any(need in reasons for need in entry.dependencies)
    )


def name_of(entry: Entry) -> str:
    """As a person reads it."""
    return f"{entry.namespace}.{entry.tag}" if entry.namespace else entry.tag


def _why(entry: Entry, login: Powers, kinds: Mapping[int, str]) -> str:
    kind = entry.description
    if kind in _ALWAYS:
        return _BY_SUPERUSER
    if kind in _ROUTINES:
        return _of_routine(entry)
    if kind in ("ACL", "ACL LANGUAGE"):
        return _of_acl(entry)
    if kind == "COMMENT" and entry.tag == "EXTENSION plpgsql":
        return "the extension belongs to the server's superuser"
    if kind == "DEFAULT ACL" and is_system(entry.owner):
        return f"it is about what {entry.owner} will create, who is the server's own"
    if kind == "PUBLICATION" and _words(entry, "for", "all", "tables"):
        return "only a superuser can publish all tables"
    if kind == "SUBSCRIPTION":
        return _of_subscription(entry, login)
    if kind in ("CAST", "TRANSFORM"):
        return _of_foreign_type(entry, kinds)
    if kind == "TYPE" and (
        b"INPUT = " in entry.definition_bytes or _SHELL.fullmatch(entry.definition_bytes)
    ):
        return "only a superuser can create a base type"
    return ""


def _of_routine(entry: Entry) -> str:
    """By its options, which stand between its arguments and its body.

    A body may hold all of these words, and a default value too: they are in parentheses, or behind.
    """
    if not _SUSPECT.search(entry.definition_bytes):
        return ""
    options = list(_options(statement_tokens(entry, entry.definition)))
    for word, value in zip(options, [*options[1:], None], strict=True):
        if word.is_word("as", "begin", "return"):
            break
        if word.is_word("language") and value and value.text in _UNTRUSTED:
            return f"only a superuser can create functions in language {value.text}"
        if word.is_word("leakproof"):
            return "only a superuser can say that a function is leakproof"
        if word.is_word("support"):
            return "only a superuser can give a function planner support"
        if word.is_word("set") and value and value.text.lower() in SUPERUSER_PARAMETERS:
            return f"only a superuser can set {value.text}, which it does"
    return ""


def _options(found: Iterable[Token]) -> Iterator[Token]:
    """The tokens outside of parentheses, from LANGUAGE or TRANSFORM on."""
    depth, begun = 0, False
    for token in found:
        depth += token.is_symbol("(") - token.is_symbol(")")
        begun = begun or (depth == 0 and token.is_word("language"))
        if begun and depth == 0 and not token.is_symbol(")"):
            yield token


def _of_acl(entry: Entry) -> str:
    """Only who owns an object can grant rights on it.

    Others get no more than a warning, where they have a right on it themselves.
    """
    if entry.namespace in _CATALOGS:
        return "it is about an object of the system's"
    if entry.tag.startswith("LANGUAGE "):
        return "the language belongs to the server's superuser"
    return ""


def _of_subscription(entry: Entry, login: Powers) -> str:
    """Source: postgresql.org/docs/18/sql-createsubscription.html, password_required."""
    if not login.subscribes:
        return f"only a superuser, or since {SUBSCRIBES_SINCE} a {SUBSCRIBER}, can create it"
    strings = (t for t in statement_tokens(entry, entry.definition) if t.kind is TokenKind.STRING)
    if not re.search(r"\bpassword\s*=", next((token.text for token in strings), "")):
        return "only a superuser can create one that logs in without a password"
    if _words(entry, "password_required", "=", "false"):
        return "only a superuser can set password_required to false"
    return ""


def _of_foreign_type(entry: Entry, kinds: Mapping[int, str]) -> str:
    """A cast or transform belongs to whoever owns one of its types."""
    if entry.description == "CAST" and _words(entry, "without", "function"):
        return "only a superuser can create a cast without a function"
    if _TYPES.isdisjoint(kinds.get(need, "") for need in entry.dependencies):
        return "only a superuser can create it for types of the system's"
    return ""


def _words(entry: Entry, *words: str) -> bool:
    """Do these stand beside each other in its statement?"""
    if words[0].upper().encode() not in entry.definition_bytes.upper():
        return False
    found = [
        "" if token.kind in (TokenKind.STRING, TokenKind.QUOTED) else token.text
        for token in statement_tokens(entry, entry.definition)
    ]
    return any(tuple(found[i : i + len(words)]) == words for i in range(len(found)))


def acts_for_others(entry: Entry) -> bool:
    """Are some of its grants made in the name of whoever was allowed to hand them on?

    pg_restore sends all of an entry's grants as one, so that the one who may not act for another
    loses all of them. Source: buildACLCommands in dumputils.c, PostgreSQL 13 to 18.
    """
    return _FOR_ANOTHER in entry.definition_bytes


def grants_of(entry: Entry) -> Iterator[bytes]:
    """Its statements one by one, to be carried out by whoever may act for the owner.

    Who made a grant is then the owner; what was granted is the same.
    """
    for piece in pieces([entry.definition.encode("utf-8", "surrogateescape")]):
        if isinstance(piece, Statement) and not _SETS_SESSION.match(piece.text):
            yield piece.text


def new_owner(command: str, message: str = "") -> str:
    """The role behind OWNER TO in the start of a command, or that the server's message about it
    names; "" if there is none.
    """
    if found := _OWNER_TO.search(command):
        name = found[1].strip()
        return name[1:-1].replace('""', '"') if name.startswith('"') else name
    found = _MUST_BE.search(message)  # which has the name as it is
    return found[1] if found else ""
