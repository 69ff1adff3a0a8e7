"""What pg_restore says on stderr -> what was lost, what does not matter, and why it gave up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What follows from a complaint. What is not in the table below is LOST."""

    LOST = auto()  # an object, or the rows of a table, is not there
    EXPECTED = auto()  # not there, as on any server whose superuser is somebody else
    OWNER = auto()  # repaired: there, but it belongs to us
    HARMLESS = auto()  # repaired: it is there, or so, by other means


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that failed: the start of the command, and what the server said.

    `sqlstate` is empty where only a message is known, as from pg_restore.
    """

    command: str
    message: str
    sqlstate: str = ""

    @property
    def kind(self) -> Kind:
        return next((rule.kind for rule in _RULES if rule.fits(self)), Kind.LOST)

    def __str__(self) -> str:
        return f"{self.command}: {self.message}" if self.command else self.message


@dataclass(frozen=True, slots=True)
class _Rule:
    """Complaints about a command that begins so, of one of these states and with such a message."""

    kind: Kind
    command: re.Pattern[str]
    sqlstates: frozenset[str]
    message: re.Pattern[str]

    def fits(self, complaint: Complaint) -> bool:
        state = not complaint.sqlstate or complaint.sqlstate in self.sqlstates
        return bool(
            state
            and self.command.match(complaint.command)
            and self.message.search(complaint.message)
        )


def _rule(kind: Kind, command: str, sqlstates: str, message: str) -> _Rule:
    return _Rule(kind, re.compile(command), frozenset(sqlstates.split()), re.compile(message))


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run of pg_restore went. `fatal` is why it did not reach the end, "" if it did."""

    complaints: tuple[Complaint, ...]
    fatal: str = ""

    def of(self, kind: Kind) -> tuple[str, ...]:
        return tuple(str(complaint) for complaint in self.complaints if complaint.kind is kind)


# Source: postgresql.org/docs/18/errcodes-appendix.html; 42501 is insufficient_privilege, 42704
# undefined_object, 42710 duplicate_object, 42P06 duplicate_schema, 42P17 invalid_object_definition,
# 22023 invalid_parameter_value, 0A000 feature_not_supported. The messages are those of commands/ in
# src/backend, 15 to 18.
_RULES = (
    # Whoever cannot become the owner is told so; or it is not there, or may not create where the
    # object is.
    _rule(
        Kind.OWNER,
        r"ALTER .+ OWNER TO ",
        "42501 42704",
        r"must be (able to SET ROLE|member of role|owner of)|^role .* does not exist"
        r"|permission denied (for (schema|database)|to change owner of)|must be a superuser",
    ),
    # The same of a name that goes on behind a line break, where pg_restore's first line ends.
    _rule(Kind.OWNER, "ALTER ", "42501", "must be (able to SET ROLE|member of role) "),
    # Servers of 16 and older say this to pg_restore 17 and newer.
    _rule(
        Kind.HARMLESS, r"SET transaction_timeout", "42704", "unrecognized configuration parameter"
    ),
    # template0 has it already; and a managed server's superuser owns these.
    _rule(Kind.HARMLESS, r"CREATE SCHEMA public$", "42P06", "already exists"),
    _rule(
        Kind.HARMLESS,
        r"COMMENT ON (SCHEMA public|EXTENSION plpgsql) ",
        "42501",
        "must be owner of",
    ),
    _rule(Kind.HARMLESS, r"CREATE EXTENSION (IF NOT EXISTS )?plpgsql\b", "42501 42710", ""),
    # The extension's own comment came with it.
    _rule(Kind.EXPECTED, r"COMMENT ON EXTENSION ", "42501", "must be owner of extension"),
    # The table is there: in the database's tablespace, by the access method that there is.
    _rule(
        Kind.HARMLESS,
        r"SET default_(tablespace|table_access_method)",
        "22023 42704",
        "invalid value for parameter|does not exist",
    ),
    _rule(
        Kind.EXPECTED,
        r"CREATE (EVENT TRIGGER|PUBLICATION|SUBSCRIPTION|FOREIGN DATA WRAPPER|ACCESS METHOD"
        r"|OPERATOR (CLASS|FAMILY)|TEXT SEARCH (PARSER|TEMPLATE)|TYPE|CAST|TRANSFORM"
        r"|(OR REPLACE )?(TRUSTED )?(PROCEDURAL )?LANGUAGE)\b",
        "42501",
        r"[Mm]ust be superuser|permission denied to create (event trigger|subscription"
        r"|foreign-data wrapper|access method)|must be owner of type",
    ),
    _rule(
        Kind.EXPECTED, r"ALTER PUBLICATION .+ ADD TABLES IN SCHEMA ", "42501", "must be superuser"
    ),
    _rule(
        Kind.EXPECTED,
        r"CREATE (OR REPLACE )?(FUNCTION|PROCEDURE) ",
        "42501",
        r"permission denied (for language|to set parameter)|[Oo]nly superuser|must be superuser",
    ),
    # The grant that follows is then made by the owner.
    _rule(
        Kind.HARMLESS,
        "SET SESSION AUTHORIZATION",
        "42501",
        "permission denied to set session authorization",
    ),
    _rule(Kind.EXPECTED, r"SECURITY LABEL ", "22023", "provider .*is not loaded"),
    _rule(
        Kind.EXPECTED,
        r"ALTER DEFAULT PRIVILEGES FOR ROLE \"?azure",
        "42501",
        "permission denied to change default privileges",
    ),
)
# The parts of a line that pg_restore writes one by one; its text, and the command, is one write.
_LABELS = re.compile(r"(?:pg_restore:|error:|\s)*")
_QUERY = re.compile(r"could not execute query: (?:ERROR|FATAL|PANIC): *(?P<text>.*)")
_COPY = re.compile(r'COPY failed for table "(?P<table>.*)": (?:ERROR|FATAL): *(?P<text>.*)')
_SET = re.compile(r'could not set "?(?P<name>\w+)"?(?: to .*?)?: (?:ERROR|FATAL): *(?P<text>.*)')
_COMMAND = re.compile(r"Command was: (?P<start>ALTER .+ OWNER TO .+(?=;)|[^('$;]*)")
_IGNORED = re.compile(r"pg_restore: warning: errors ignored on restore: \d+")
_LONGEST = 500
_LONGEST_COMMAND = 160
_MOST = 10_000
_UNNAMED = Complaint("pg_restore", "ignored an error that it did not name")


class Listener:
    """Hears what one run of pg_restore says, line by line, and judges it in the end.

    An error that pg_restore goes on after is a complaint; any other ends it. It then exits with 1
    as well, but only a run that reached its end says how many errors it ignored. Parallel jobs
    write at the same time: a message may begin with the labels of several, or with none. An ignored
    error that cannot be read still counts as a complaint.
    Of a failed command only what stands before the first literal or parenthesis is kept: the rest
    may hold secrets and rows.
    Source: warn_or_exit_horribly and RestoreArchive in pg_backup_archiver.c, pg_log_generic_v in
    logging.c, PostgreSQL 18.
    """

    def __init__(self) -> None:
        self._complaints: dict[Complaint, None] = {}
        self._open: str | None = None  # a message whose command is still to come
        self._fatal = ""
        self._reached_end = False

    def hear(self, line: str) -> None:
        text = _LABELS.sub("", line, count=1)
        labels = line[: len(line) - len(text)]
        if self._hear_ignored(text):
            return
        if _IGNORED.search(line):
            self._reached_end = True
        elif self._open is not None and (command := _COMMAND.match(line)):
            self._close(command["start"].strip()[:_LONGEST_COMMAND])
        elif "pg_restore:" in labels and "error:" in labels:
            self._close("")
            self._fatal = text[:_LONGEST]

    def _hear_ignored(self, text: str) -> bool:
        """Whether `text` is an error that pg_restore may go on after."""
        copy, query, setting = (form.fullmatch(text) for form in (_COPY, _QUERY, _SET))
        if copy or query or setting:
            self._close("")
        if copy:
            self._add(Complaint(f"rows of table {copy['table']}", copy["text"][:_LONGEST]))
        elif query:
            self._open = query["text"][:_LONGEST]
        elif setting:
            self._add(Complaint(f"SET {setting['name']}", setting["text"][:_LONGEST]))
        return bool(copy or query or setting)

    def _close(self, command: str) -> None:
        if self._open is not None:
            self._add(Complaint(command, self._open))
            self._open = None

    def _add(self, complaint: Complaint) -> None:
        if len(self._complaints) < _MOST:
            self._complaints[complaint] = None

    def verdict(self, exit_code: int) -> Verdict:
        self._close("")
        complaints = tuple(self._complaints)
        if exit_code == 0 or (exit_code == 1 and self._reached_end):
            unnamed = exit_code == 1 and not complaints
            return Verdict((_UNNAMED,) if unnamed else complaints)
        last_words = str(complaints[-1]) if complaints else "no message"
        return Verdict(complaints, self._fatal or f"exit {exit_code}, {last_words}")
