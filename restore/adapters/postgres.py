"""The target server: connections as one login, what reading it tells, and its errors as ours."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from restore.errors import RestoreError, TargetError, TransientError
from restore.ports import Login

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

CONNECT_SECONDS = 15

# A restore runs for hours and waits for nobody: whatever limits the login or the server has set.
# A dead worker must be noticed in about two minutes, or its locks would hold up the next one.
# Source: postgresql.org/docs/18/runtime-config-client.html and -connection.html.
_SESSION = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "15",
    "tcp_keepalives_count": "4",
}
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
_KEEPALIVE = {"keepalives_idle": "60", "keepalives_interval": "15", "keepalives_count": "4"}


class UnreachableError(TransientError):
    """Nobody answers, or the server is just starting or stopping."""

    code = "target-unreachable"


class BusyError(TransientError):
    """Somebody else holds what is needed: a connection slot, a database, a lock."""

    code = "target-busy"


class LoginError(TargetError):
    """The server does not let us in."""

    code = "target-login"


class PrivilegeError(TargetError):
    """The login may not do what the restore needs."""

    code = "target-privilege"


class FullError(TargetError):
    """The server has no room left, or accepts no writes."""

    code = "target-full"


@dataclass(frozen=True, slots=True)
class Tls:
    """libpq's sslmode and sslrootcert; the latter only counts for the verifying modes."""

    mode: str
    root: str = ""

    @property
    def parameters(self) -> dict[str, str]:
        verifies = {"sslrootcert": self.root} if self.mode.startswith("verify") else {}
        return {"sslmode": self.mode, **verifies}


class Server:
    """One server as one login. `login` is called for each connection: a token may have expired."""

    def __init__(self, login: Callable[[], Login], tls: Tls, application: str) -> None:
        self._login = login
        self._tls = tls
        self._application = application

    def connect(self, database: str = "") -> Connection:
        """A new session in `database` (the login's own by default), in autocommit mode.

        Raises UnreachableError, BusyError, LoginError, TargetError.
        """
        login = self._login()
        login = replace(login, database=database or login.database)
        with translated(login):
            return psycopg.connect(
                make_conninfo(
                    host=login.host,
                    port=login.port,
                    user=login.user,
                    password=login.password,
                    dbname=login.database,
                    application_name=self._application,
                    connect_timeout=CONNECT_SECONDS,
                    client_encoding="UTF8",
                    options=_OPTIONS,
                    passfile=os.devnull,
                    **self._tls.parameters,
                    **_KEEPALIVE,
                ),
                autocommit=True,
            )

    def environment(self) -> dict[str, str]:
        """The whole environment of a client program: no variable, file or service of ours.

        C messages, because what the programs say is read. Holds the password.
        """
        login = self._login()
        variables = {
            "PATH": os.defpath,
            "LC_ALL": "C",
            "TZ": "UTC",
            "PGHOST": login.host,
            "PGPORT": str(login.port),
            "PGUSER": login.user,
            "PGPASSWORD": login.password,
            "PGAPPNAME": self._application,
            "PGCONNECT_TIMEOUT": str(CONNECT_SECONDS),
            "PGCLIENTENCODING": "UTF8",
            "PGOPTIONS": _OPTIONS,
            "PGPASSFILE": os.devnull,
            "PGSERVICEFILE": os.devnull,
        }
        return variables | {f"PG{name.upper()}": v for name, v in self._tls.parameters.items()}


def connect_by_conninfo(conninfo: str, application: str) -> Connection:
    """A new session as `Server.connect` gives them, where a libpq connection string says.

    What the string leaves out comes from libpq's own variables and files.
    Raises as `Server.connect` does, TargetError for a string that is none.
    """
    said = _said(conninfo)
    where = Login(
        host=str(said.get("host", "")),
        port=int(str(said.get("port") or 5432).partition(",")[0]),
        user=str(said.get("user", "")),
        password="",
        database=str(said.get("dbname", "")),
    )
    settled = {"application_name": application, "client_encoding": "UTF8", "options": _OPTIONS}
    parameters: dict[str, Any] = {
        "connect_timeout": str(CONNECT_SECONDS),
        **_KEEPALIVE,
        **said,
        **settled,
    }
    with translated(where):
        return psycopg.connect(make_conninfo(**parameters), autocommit=True)


def _said(conninfo: str) -> dict[str, Any]:
    """What stands in a connection string.

    What is wrong with it is not repeated: it may be a password that was not escaped.
    """
    hint = (
        "'host=… port=… user=… dbname=…' or 'postgresql://user@host/dbname', where what is special"
        " in a password is to be written as %20 and the like"
    )
    try:
        said = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as exc:
        reason = str(exc).splitlines()[0].partition('"')[0].strip(" :")
        raise TargetError(f"target: expected a connection string, found: {reason} …", hint) from exc
    if not re.fullmatch(r"[\d,]*", str(said.get("port") or "")):
        raise TargetError("target: expected a port's number, found something else", hint)
    return said


# ---- errors ------------------------------------------------------------------------------------

_REACH = "is the server running, and may this network reach it (firewall, private DNS)?"
_LATER = "the task is tried again"

# What libpq says when a connection fails: it gives no SQLSTATE.
_CONNECTING: tuple[tuple[str, type[RestoreError], str], ...] = (
    (
        r"password authentication failed|SASL|no password supplied",
        LoginError,
        "does the secret hold this user's password? With Microsoft Entra: is the identity a role?",
    ),
    (
        r"no pg_hba\.conf entry|no encryption",
        LoginError,
        "the server's firewall or TLS rules refuse this client: RESTORE_PGSSLMODE, firewall rules",
    ),
    (
        r'role ".*" does not exist|not permitted to log in|permission denied for database',
        LoginError,
        'is "target.user" a role of this server that may log in?',
    ),
    (r'database ".*" does not exist', TargetError, 'is "target.database" right?'),
    (r"certificate|SSL error|does not support SSL", LoginError, "see RESTORE_PGSSLMODE"),
    (r"too many clients|too many connections|remaining connection slots", BusyError, _LATER),
    (r"is (starting up|shutting down|in recovery|not .*accepting)", UnreachableError, _LATER),
)

_STATES: tuple[tuple[str, type[RestoreError], str], ...] = (
    ("53100", FullError, "give the server more storage"),
    ("25006", FullError, "the server is read-only: it is nearly full, or it is a replica"),
    ("53300", BusyError, _LATER),
    ("53", FullError, "give the server more memory or storage"),
    ("08", UnreachableError, _LATER),
    ("57P", UnreachableError, _LATER),
    ("55006", BusyError, _LATER),
    ("55P03", BusyError, _LATER),
    ("57014", BusyError, _LATER),
    ("40", BusyError, _LATER),
    ("42501", PrivilegeError, "grant the login what is missing"),
)


@contextmanager
def translated(where: Login | Connection) -> Iterator[None]:
    """psycopg's errors inside become ours; `where` names the server in them."""
    try:
        yield
    except psycopg.Error as exc:
        raise error_of(exc, where) from exc


def error_of(error: psycopg.Error, where: Login | Connection) -> RestoreError:
    """`error` as ours: the first line of what the server says, and what to do about it."""
    subject = _subject(where)
    said = error.diag.message_primary or (str(error).splitlines() or ["no reason"])[0]
    if error.sqlstate is None:
        family, hint = _family_of_text(str(error))
        return family(f"{subject}: expected a connection, found: {said}", hint)
    for state, family, hint in _STATES:
        if error.sqlstate.startswith(state):
            return family(f"{subject}: {said}", hint)
    return TargetError(f"{subject}: {said}", f"SQLSTATE {error.sqlstate}")


def _family_of_text(text: str) -> tuple[type[RestoreError], str]:
    for pattern, family, hint in _CONNECTING:
        if re.search(pattern, text):
            return family, hint
    return UnreachableError, _REACH


def said_by_tool(lines: Collection[str], subject: str) -> RestoreError | None:
    """The error that a client program's words tell, if it is one of the connection or the server.

    Its programs end with libpq's messages, without SQLSTATE.
    """
    for line in lines:
        text = line.strip()
        for pattern, family, hint in (*_CONNECTING, *_BREAKING):
            if re.search(pattern, text) and _OF_SERVER.search(text):
                return family(f"{subject}: {text[-300:]}", hint)
    return None


_OF_SERVER = re.compile(r"FATAL|PANIC|connection|server|No space left|read-only|could not extend")
_BREAKING: tuple[tuple[str, type[RestoreError], str], ...] = (
    (r"No space left on device|could not extend file", FullError, "give the server more storage"),
    (r"in a read-only transaction", FullError, "the server is read-only: it is nearly full"),
    (
        r"server closed the connection|terminating connection|connection to server|no connection to"
        r" the server|connection not open|could not (send|receive) data",
        UnreachableError,
        _LATER,
    ),
)


def _subject(where: Login | Connection) -> str:
    if isinstance(where, Login):
        return f"target {where.host}:{where.port}/{where.database}"
    try:
        info = where.info
        return f"target {info.host}:{info.port}/{info.dbname}"
    except psycopg.Error:  # libpq tells nothing of a connection that is gone
        return "target"
