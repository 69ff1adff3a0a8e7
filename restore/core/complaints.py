"""What pg_restore says on stderr -> what was lost, what does not matter, and why it gave up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    LOST = auto()  # an object, or the rows of a table, is not there
    OWNER = auto()  # an object is there but belongs to us
    HARMLESS = auto()


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that failed: the start of the command, and what the server said."""

    command: str
    message: str

    @property
    def kind(self) -> Kind:
        if _SETS_OWNER.match(self.command):
            return Kind.OWNER
        harmless = any(
            command.match(self.command) and message in self.message
            for command, message in _HARMLESS
        )
        return Kind.HARMLESS if harmless else Kind.LOST

    def __str__(self) -> str:
        return f"{self.command}: {self.message}" if self.command else self.message


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run of pg_restore went. `fatal` is why it did not reach the end, "" if it did."""

    complaints: tuple[Complaint, ...]
    fatal: str = ""

    def of(self, kind: Kind) -> tuple[str, ...]:
        return tuple(str(complaint) for complaint in self.complaints if complaint.kind is kind)


# Said by servers of 16 and older to pg_restore 17 and newer; by template0, which has these already;
# and by any managed server, where its superuser owns them.
_HARMLESS = (
    (re.compile(r"SET transaction_timeout"), "unrecognized configuration parameter"),
    (re.compile(r"CREATE SCHEMA public$"), "already exists"),
    (re.compile(r"COMMENT ON (SCHEMA public|EXTENSION plpgsql) "), "must be owner of"),
    (re.compile(r"CREATE EXTENSION (IF NOT EXISTS )?plpgsql\b"), ""),
)
_SETS_OWNER = re.compile(r"ALTER .+ OWNER TO ")
_ERROR = re.compile(r"pg_restore: error: (?P<text>.*)")
_QUERY = re.compile(r"could not execute query: (?:ERROR|FATAL|PANIC): *(?P<text>.*)")
_COPY = re.compile(r'COPY failed for table "(?P<table>.*)": (?:ERROR|FATAL): *(?P<text>.*)')
_COMMAND = re.compile(r"Command was: (?P<start>ALTER .+ OWNER TO .+(?=;)|[^('$;]*)")
_IGNORED = re.compile(r"pg_restore: warning: errors ignored on restore: \d+")
_LONGEST = 500
_LONGEST_COMMAND = 160
_MOST = 10_000
_UNNAMED = Complaint("pg_restore", "ignored an error that it did not name")


class Listener:
    """Hears what one run of pg_restore says, line by line, and judges it in the end.

    An error that pg_restore goes on after is a complaint; any other ends it. It then exits with 1
    as well, but only a run that reached its end says how many errors it ignored. Parallel jobs may
    garble each other's lines: an ignored error that cannot be read still counts as a complaint.
    Of a failed command only what stands before the first literal or parenthesis is kept: the rest
    may hold secrets and rows.
    Source: warn_or_exit_horribly and RestoreArchive in pg_backup_archiver.c, PostgreSQL 18.
    """

    def __init__(self) -> None:
        self._complaints: dict[Complaint, None] = {}
        self._open: str | None = None  # a message whose command is still to come
        self._fatal = ""
        self._reached_end = False

    def hear(self, line: str) -> None:
        if error := _ERROR.search(line):
            self._close("")
            self._hear_error(error["text"])
        elif _IGNORED.search(line):
            self._reached_end = True
        elif self._open is not None and (command := _COMMAND.match(line)):
            self._close(command["start"].strip()[:_LONGEST_COMMAND])

    def _hear_error(self, text: str) -> None:
        if copy := _COPY.fullmatch(text):
            self._add(Complaint(f"rows of table {copy['table']}", copy["text"][:_LONGEST]))
        elif query := _QUERY.fullmatch(text):
            self._open = query["text"][:_LONGEST]
        else:
            self._fatal = text[:_LONGEST]

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
