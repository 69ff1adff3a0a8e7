"""What pg_restore says on stderr -> what was lost, what does not matter, and why it gave up."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, auto


class Kind(Enum):
    LOST = auto()  # an object, or the rows of a table, is not there
    OWNER = auto()  # an object is there but belongs to us
    HARMLESS = auto()


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that failed: which object it was about, and what the server said."""

    subject: str
    message: str
    of_owner: bool = False  # the object is there, ALTER … OWNER TO was refused

    @property
    def kind(self) -> Kind:
        if self.of_owner:
            return Kind.OWNER
        harmless = any(
            re.search(message, self.message) and re.search(subject, self.subject)
            for subject, message in _HARMLESS
        )
        return Kind.HARMLESS if harmless else Kind.LOST

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}" if self.subject else self.message


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run of pg_restore went. `fatal` is why it did not reach the end, "" if it did."""

    complaints: tuple[Complaint, ...]
    fatal: str = ""


# Said by servers of 16 and older to pg_restore 17 and newer; by any server to whoever is not its
# superuser; and by template0, which has these already.
_HARMLESS = (
    (r"", r'unrecognized configuration parameter "transaction_timeout"'),
    (r"^SCHEMA public ", r'schema "public" already exists'),
    (r"^COMMENT (SCHEMA public|EXTENSION plpgsql) ", r"must be owner of"),
    (r"^EXTENSION plpgsql ", r"already exists"),
)
_SETS_OWNER = re.compile(r"Command was: ALTER .+ OWNER TO .+;")
_DETAIL = re.compile(r"(DETAIL|HINT|CONTEXT|LINE \d+): |\s+\^")
_ENTRY = re.compile(r"pg_restore: (?:from|in) TOC entry \d+; \d+ \d+ (?P<what>.*)")
_ERROR = re.compile(r"pg_restore: error: (?P<text>.*)")
_QUERY = re.compile(r"could not execute query: (?:ERROR|FATAL|PANIC): *(?P<text>.*)")
_COPY = re.compile(r'COPY failed for table "(?P<table>.*)": (?:ERROR|FATAL): *(?P<text>.*)')
_IGNORED = re.compile(r"pg_restore: warning: errors ignored on restore: \d+")
_LONGEST = 500
_MOST = 10_000


class Listener:
    """Hears what one run of pg_restore says, line by line, and judges it in the end.

    An error that pg_restore goes on after is a complaint; any other ends it. It then exits with 1
    as well, but only a run that reached its end says how many errors it ignored. Parallel jobs may
    garble each other's lines: an ignored error that cannot be read still counts as a complaint.
    The text of a failed command is never kept: it may hold secrets and rows.
    Source: warn_or_exit_horribly and RestoreArchive in pg_backup_archiver.c, PostgreSQL 18.
    """

    def __init__(self) -> None:
        self._complaints: dict[Complaint, None] = {}
        self._subject = ""
        self._fatal = ""
        self._reached_end = False
        self._latest: Complaint | None = None

    def hear(self, line: str) -> None:
        latest, self._latest = self._latest, None
        if latest is not None and _SETS_OWNER.match(line):
            del self._complaints[latest]
            self._complaints[replace(latest, of_owner=True)] = None
        elif entry := _ENTRY.search(line):
            self._subject = entry["what"]
        elif _IGNORED.search(line):
            self._reached_end = True
        elif error := _ERROR.search(line):
            self._hear_error(error["text"])
        elif latest is not None and _DETAIL.match(line):
            self._latest = latest

    def _hear_error(self, text: str) -> None:
        if copy := _COPY.fullmatch(text):
            complaint = Complaint(f"rows of table {copy['table']}", copy["text"][:_LONGEST])
        elif query := _QUERY.fullmatch(text):
            complaint = Complaint(self._subject, query["text"][:_LONGEST])
        else:
            self._fatal = text[:_LONGEST]
            return
        if len(self._complaints) < _MOST:
            self._complaints[complaint] = None
            self._latest = complaint

    def verdict(self, exit_code: int) -> Verdict:
        complaints = tuple(self._complaints)
        if exit_code == 0 or (exit_code == 1 and self._reached_end):
            unnamed = exit_code == 1 and not complaints
            return Verdict((_UNNAMED,) if unnamed else complaints)
        last_words = str(complaints[-1]) if complaints else "no message"
        return Verdict(complaints, self._fatal or f"exit {exit_code}, {last_words}")


_UNNAMED = Complaint("pg_restore", "ignored an error that it did not name")
