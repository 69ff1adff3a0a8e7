"""The statements of a `pg_dumpall --roles-only` script, as values and back as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from restore.core.encoding import reader
from restore.core.membership import GrantRole
from restore.core.psql import Comment, Statement, pieces
from restore.core.script import restricted, whole
from restore.core.sql import (
    Token,
    TokenKind,
    quote_identifier,
    quote_literal,
    text_of,
    tokens,
)
from restore.errors import ScriptError

FLAGS = frozenset(
    no + flag
    for no in ("", "NO")
    for flag in (
        "SUPERUSER",
        "INHERIT",
        "CREATEROLE",
        "CREATEDB",
        "LOGIN",
        "REPLICATION",
        "BYPASSRLS",
    )
)
"""What a role may or may not do; NO in front of it denies it."""

PASSWORD, VALID_UNTIL, CONNECTION_LIMIT = "PASSWORD", "VALID UNTIL", "CONNECTION LIMIT"
_SESSION_SETTINGS = (
    "default_transaction_read_only",
    "standard_conforming_strings",
    "escape_string_warning",
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a role; the value is a secret where the keyword is PASSWORD."""

    keyword: str
    value: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CreateRole:
    role: str


@dataclass(frozen=True, slots=True)
class AlterRole:
    role: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class SetParameter:
    """ALTER ROLE ... [IN DATABASE ...] SET; more than one value is a list, as of search_path."""

    role: str
    parameter: str
    values: tuple[str, ...] = field(repr=False)  # an application may keep a secret in a parameter
    database: str = ""


@dataclass(frozen=True, slots=True)
class CommentOnRole:
    role: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecurityLabel:
    """A label of a provider, such as the Microsoft Entra identity behind a role."""

    provider: str
    role: str
    label: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GrantOnParameter:
    """The right to set a parameter (SET, ALTER SYSTEM or ALL), from PostgreSQL 15 on."""

    privileges: tuple[str, ...]
    parameter: str
    role: str
    grantable: bool = False


@dataclass(frozen=True, slots=True)
class OtherStatement:
    """A statement that is none of these: only its first words, for it may hold anything."""

    start: str


RoleStatement: TypeAlias = (
    CreateRole
    | AlterRole
    | SetParameter
    | GrantRole
    | CommentOnRole
    | SecurityLabel
    | GrantOnParameter
    | OtherStatement
)


def parse(chunks: Iterable[bytes]) -> tuple[RoleStatement, ...]:
    """The statements of a roles script, without those that only prepare psql's session.

    Raises ScriptError for a script that is truncated or holds rows or meta-commands.
    """
    return tuple(_statements(chunks))


def _statements(chunks: Iterable[bytes]) -> Iterator[RoleStatement]:
    read = reader("")
    for piece in restricted(whole(pieces(chunks))):
        if isinstance(piece, Statement):
            words = _Words(list(tokens(read(piece.text))))
            if words.accept("set") and words.accept("client_encoding"):
                read = reader(words.found[-1].text)
            elif not words.accept(*_SESSION_SETTINGS):
                yield words.statement()
        elif not isinstance(piece, Comment):
            raise ScriptError(f"roles script: expected statements, found {type(piece).__name__}")


def database_settings(sql: bytes, database: str) -> tuple[SetParameter, ...]:
    """The ALTER ROLE … IN DATABASE … SET of `database` among statements of a pg_dump archive.

    Source: dumpDatabaseConfig in pg_dump.c, PostgreSQL 11 and newer, which took them over from
    pg_dumpall.
    """
    statements = (
        _Words(list(tokens(text_of(piece.text)))).statement()
        for piece in pieces([sql])
        if isinstance(piece, Statement)
    )
    return tuple(s for s in statements if isinstance(s, SetParameter) and s.database == database)


class _MismatchError(Exception):
    """The statement is not of the form that was tried."""


class _Words:
    """The tokens of one statement, read from the left."""

    def __init__(self, found: Sequence[Token]) -> None:
        self.found = [token for token in found if not token.is_symbol(";")]
        self.position = 0

    def statement(self) -> RoleStatement:
        """The statement, an OtherStatement if it is of none of the known forms."""
        try:
            statement = self._known()
            if self.position < len(self.found):
                raise _MismatchError
        except _MismatchError:
            words = [token for token in self.found[:2] if token.kind is TokenKind.WORD]
            return OtherStatement(" ".join(token.text.upper() for token in words))
        return statement

    def _known(self) -> RoleStatement:
        self.position = 0
        if self.accept("create") and self.accept("role"):
            return CreateRole(self.name())
        self.position = 0
        if self.accept("alter") and self.accept("role"):
            return self._alter(self.name())
        self.position = 0
        if self.accept("grant"):
            return self._grant_on_parameter() if self._is_on_parameter() else self._grant()
        if self.accept("comment"):
            self.expect("on", "role")
            role = self.name()
            self.expect("is")
            return CommentOnRole(role, self.string())
        self.expect("security", "label", "for")
        provider = self.name()
        self.expect("on", "role")
        role = self.name()
        self.expect("is")
        return SecurityLabel(provider, role, self.string())

    def accept(self, *words: str) -> bool:
        """Step over the next token if it is one of these keywords."""
        found = self.position < len(self.found) and self.found[self.position].is_word(*words)
        self.position += found
        return found

    def expect(self, *words: str) -> None:
        if not all(self.accept(word) for word in words):
            raise _MismatchError

    def next(self, *kinds: TokenKind) -> str:
        if self.position >= len(self.found) or self.found[self.position].kind not in kinds:
            raise _MismatchError
        self.position += 1
        return self.found[self.position - 1].text

    def accept_symbol(self, symbol: str) -> bool:
        found = self.position < len(self.found) and self.found[self.position].is_symbol(symbol)
        self.position += found
        return found

    def name(self) -> str:
        return self.next(TokenKind.WORD, TokenKind.QUOTED)

    def string(self) -> str:
        return self.next(TokenKind.STRING)

    def _alter(self, role: str) -> RoleStatement:
        database = ""
        if self.accept("in"):
            self.expect("database")
            database = self.name()
        if self.accept("set"):
            return self._set(role, database)
        self.expect("with")
        attributes = [self._attribute()]
        while self.position < len(self.found):
            attributes.append(self._attribute())
        if database:
            raise _MismatchError
        return AlterRole(role, tuple(attributes))

    def _attribute(self) -> Attribute:
        word = self.next(TokenKind.WORD).upper()
        if word in FLAGS:
            return Attribute(word)
        if word == "CONNECTION":
            self.expect("limit")
            sign = "-" if self.accept_symbol("-") else ""
            number = self.next(TokenKind.NUMBER)
            if not number.isdecimal():
                raise _MismatchError
            return Attribute(CONNECTION_LIMIT, sign + number)
        if word == "VALID":
            self.expect("until")
            return Attribute(VALID_UNTIL, self.string())
        if word == PASSWORD:
            return Attribute(PASSWORD, self.string())
        raise _MismatchError

    def _set(self, role: str, database: str) -> RoleStatement:
        parameter = self._parameter()
        if not self.accept("to") and not self.accept_symbol("="):
            raise _MismatchError
        values = [self.next(TokenKind.STRING, TokenKind.NUMBER)]
        while self.accept_symbol(","):
            values.append(self.next(TokenKind.STRING, TokenKind.NUMBER))
        return SetParameter(role, parameter, tuple(values), database)

    def _is_on_parameter(self) -> bool:
        """Is it GRANT … ON PARAMETER? A role may be called what a privilege is called."""
        rest = zip(self.found[self.position :], self.found[self.position + 1 :], strict=False)
        return any(on.is_word("on") and what.is_word("parameter") for on, what in rest)

    def _grant_on_parameter(self) -> RoleStatement:
        privileges = [self._privilege()]
        while self.accept_symbol(","):
            privileges.append(self._privilege())
        self.expect("on", "parameter")
        parameter = self._parameter()
        self.expect("to")
        role = self.name()
        grantable = self.accept("with")
        if grantable:
            self.expect("grant", "option")
        return GrantOnParameter(tuple(privileges), parameter, role, grantable)

    def _privilege(self) -> str:
        if self.accept("alter"):
            self.expect("system")
            return "ALTER SYSTEM"
        word = self.next(TokenKind.WORD).upper()
        if word not in ("SET", "ALL"):
            raise _MismatchError
        return word

    def _parameter(self) -> str:
        parameter = self.name()
        while self.accept_symbol("."):
            parameter += "." + self.name()
        return parameter

    def _grant(self) -> RoleStatement:
        role = self.name()
        self.expect("to")
        member = self.name()
        options: dict[str, bool] = {}
        if self.accept("with"):
            self._membership_option(options)
            while self.accept_symbol(","):
                self._membership_option(options)
        grantor = ""
        if self.accept("granted"):
            self.expect("by")
            grantor = self.name()
        return GrantRole(
            role,
            member,
            admin=options.get("admin", False),
            inherit=options.get("inherit"),
            settable=options.get("set"),
            grantor=grantor,
        )

    def _membership_option(self, options: dict[str, bool]) -> None:
        option = self.next(TokenKind.WORD)
        value = self.next(TokenKind.WORD)
        if option not in ("admin", "inherit", "set") or value not in ("option", "true", "false"):
            raise _MismatchError
        options[option] = value != "false"


def printed(statement: RoleStatement) -> str:
    """The statement as SQL that reads back as the same value.

    Raises ScriptError for an OtherStatement: there is nothing to print.
    """
    match statement:
        case CreateRole(role):
            return f"CREATE ROLE {quote_identifier(role)};"
        case AlterRole(role, attributes):
            words = " ".join(map(_printed_attribute, attributes))
            return f"ALTER ROLE {quote_identifier(role)} WITH {words};"
        case SetParameter(role, parameter, values, database):
            where = f" IN DATABASE {quote_identifier(database)}" if database else ""
            value = ", ".join(map(quote_literal, values))
            return f"ALTER ROLE {quote_identifier(role)}{where} SET {_named(parameter)} TO {value};"
        case GrantRole():
            return _printed_grant(statement)
        case CommentOnRole(role, text):
            return f"COMMENT ON ROLE {quote_identifier(role)} IS {quote_literal(text)};"
        case SecurityLabel(provider, role, label):
            subject = f"{quote_identifier(provider)} ON ROLE {quote_identifier(role)}"
            return f"SECURITY LABEL FOR {subject} IS {quote_literal(label)};"
        case GrantOnParameter(privileges, parameter, role, grantable):
            what = f"{', '.join(privileges)} ON PARAMETER {_named(parameter)}"
            option = " WITH GRANT OPTION" if grantable else ""
            return f"GRANT {what} TO {quote_identifier(role)}{option};"
        case _:
            found = statement.start
            raise ScriptError(f"roles script: expected a statement about a role, found {found!r}")


def _named(parameter: str) -> str:
    return ".".join(map(quote_identifier, parameter.split(".")))


def _printed_attribute(attribute: Attribute) -> str:
    match attribute.keyword:
        case "PASSWORD" | "VALID UNTIL":
            return f"{attribute.keyword} {quote_literal(attribute.value)}"
        case "CONNECTION LIMIT":
            return f"{attribute.keyword} {int(attribute.value)}"
        case flag:
            return flag


def _printed_grant(grant: GrantRole) -> str:
    options = ["ADMIN OPTION"] if grant.admin else []
    for name, value in (("INHERIT", grant.inherit), ("SET", grant.settable)):
        if value is not None:
            options.append(f"{name} {str(value).upper()}")
    with_options = f" WITH {', '.join(options)}" if options else ""
    by = f" GRANTED BY {quote_identifier(grant.grantor)}" if grant.grantor else ""
    member = quote_identifier(grant.member)
    return f"GRANT {quote_identifier(grant.role)} TO {member}{with_options}{by};"
