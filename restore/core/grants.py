"""What an ACL entry of an archive grants and takes away, as sets.

Source: buildACLCommands and buildDefaultACLCommands in dumputils.c, dumpACL in pg_dump.c,
PostgreSQL 13 to 18.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from restore.core.sql import Token
from restore.core.toc import Entry, statement_tokens

PUBLIC = "PUBLIC"

_ALL = {
    "TABLE": ("DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"),
    "COLUMN": ("INSERT", "REFERENCES", "SELECT", "UPDATE"),
    "SEQUENCE": ("SELECT", "UPDATE", "USAGE"),
    "SCHEMA": ("CREATE", "USAGE"),
    "FUNCTION": ("EXECUTE",),
    "PROCEDURE": ("EXECUTE",),
    "LARGE OBJECT": ("SELECT", "UPDATE"),
}
"""What ALL means in every major; where 17 and newer have MAINTAIN, it is not asked for."""

_OF_DEFAULTS = {"TABLES": "TABLE", "SEQUENCES": "SEQUENCE", "FUNCTIONS": "FUNCTION", "TYPES": ""}
_TAG = re.compile(
    r"(?P<kind>[A-Z]+(?: [A-Z]+)*) "
    r"(?:\"(?P<quoted>(?:[^\"]|\"\")+)\"|(?P<plain>[^\"(.]+))(?P<rest>.*)",
    re.DOTALL,
)
_SUB = re.compile(r"\.(?:\"(?P<quoted>(?:[^\"]|\"\")+)\"|(?P<plain>.+))", re.DOTALL)
_DEFAULTS = "DEFAULT PRIVILEGES FOR "


@dataclass(slots=True)
class Grants:
    """What roles have to hold of one object, and what they must not.

    `about` is kind, schema and name as `catalog.Thing` has them. Roles in `present` stand with the
    privilege and whether they may hand it on; grantors are not told apart.
    """

    about: tuple[str, str, str]
    present: set[tuple[str, str, bool]] = field(default_factory=set)
    absent: set[tuple[str, str]] = field(default_factory=set)

    def grant(self, role: str, privileges: Sequence[str], option: bool) -> None:
        self.absent -= {(role, privilege) for privilege in privileges}
        self.present |= {(role, privilege, option) for privilege in privileges}

    def revoke(self, role: str, privileges: Sequence[str]) -> None:
        self.present = {p for p in self.present if p[0] != role or p[1] not in privileges}
        self.absent |= {(role, privilege) for privilege in privileges}


def grants(entry: Entry) -> list[Grants]:
    """One for each object that the statements of `entry` are about, an ACL or DEFAULT ACL.

    Raises ArchiveError for text that does not read as SQL.
    """
    found: dict[tuple[str, str, str], Grants] = {}
    for statement in _statements(statement_tokens(entry, entry.definition)):
        verb = next((i for i, t in enumerate(statement) if t.is_word("grant", "revoke")), None)
        if verb is None:
            continue  # a SET SESSION AUTHORIZATION: who grants does not matter here
        about = _about(entry, statement)
        _apply(found.setdefault(about, Grants(about)), statement[verb:], _kind(about))
    return list(found.values())


def _kind(about: tuple[str, str, str]) -> str:
    if about[0] == "DEFAULT ACL":
        return _OF_DEFAULTS.get(about[2].rpartition(" ")[2], "SCHEMA")
    return about[0]


def _statements(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    start = 0
    for place, token in enumerate(tokens):
        if token.is_symbol(";"):
            yield tokens[start:place]
            start = place + 1


def _about(entry: Entry, statement: Sequence[Token]) -> tuple[str, str, str]:
    if entry.tag.startswith(_DEFAULTS):
        owner = statement[5].text  # ALTER DEFAULT PRIVILEGES FOR ROLE owner
        return "DEFAULT ACL", entry.namespace, f"{owner} {entry.tag.removeprefix(_DEFAULTS)}"
    if entry.tag.startswith("LARGE OBJECT"):
        place = next(i for i, token in enumerate(statement) if token.is_word("object"))
        return "LARGE OBJECT", "", statement[place + 1].text
    found = _TAG.fullmatch(entry.tag)
    if found is None:
        return "", entry.namespace, entry.tag
    name, rest = _unquoted(found), found["rest"]
    if found["kind"] == "COLUMN" and (column := _SUB.fullmatch(rest)):
        name, rest = f"{name} {_unquoted(column)}", ""
    return found["kind"], entry.namespace, name + rest


def _unquoted(found: re.Match[str]) -> str:
    return found["quoted"].replace('""', '"') if found["quoted"] else found["plain"]


def _apply(found: Grants, statement: Sequence[Token], kind: str) -> None:
    """`GRANT a, b ON … TO role [WITH GRANT OPTION]`, `REVOKE [GRANT OPTION FOR] … FROM role`."""
    grants_it = statement[0].is_word("grant")
    word = "to" if grants_it else "from"
    on = next(i for i, token in enumerate(statement) if token.is_word("on"))
    place = max(i for i, token in enumerate(statement) if token.is_word(word))
    role = statement[place + 1]
    name = PUBLIC if role.is_word("public") else role.text
    if statement[1].is_word("grant"):  # REVOKE GRANT OPTION FOR
        return
    named = _privileges(statement[1:on])
    privileges = _ALL.get(kind, ("USAGE",)) if named == ["ALL"] else named
    if grants_it:
        option = any(token.is_word("option") for token in statement[place + 2 :])
        found.grant(name, privileges, option)
    else:
        found.revoke(name, privileges)


def _privileges(tokens: Sequence[Token]) -> list[str]:
    """Their names; the columns that may follow one in parentheses are those of the tag."""
    named, depth = [], 0
    for token in tokens:
        depth += token.is_symbol("(") - token.is_symbol(")")
        if depth == 0 and token.is_name and not token.is_word("privileges"):
            named.append(token.text.upper())
    return named
