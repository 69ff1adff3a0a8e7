"""Objects whose owner may not create where they are, as a superuser has made some.

A superuser can give anything to anybody; others only what the new owner could have made.
Source: postgresql.org/docs/18/sql-altertable.html, OWNER TO.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection
from restore.core.complaints import Complaint
from restore.core.managed import new_owner
from restore.worker.job import Job

_NO_CREATE = re.compile(r"permission denied for (schema|database) (.+)", re.DOTALL)


def give(job: Job, database: str, complaints: Iterable[Complaint]) -> tuple[Complaint, ...]:
    """Give them to their owners, who may create there for that moment; those that stay ours.

    Safe to repeat: each in a transaction, which leaves no right behind.
    """
    stay = []
    with job.session(database) as connection:
        for complaint in complaints:
            found = _NO_CREATE.fullmatch(complaint.message)
            if found is None or not _given(connection, complaint, found[1], found[2]):
                stay.append(complaint)
    return tuple(stay)


def _given(connection: Connection, complaint: Complaint, kind: str, name: str) -> bool:
    """`kind` and `name` of what the owner may not create in."""
    place = sql.SQL("SCHEMA {}" if kind == "schema" else "DATABASE {}").format(sql.Identifier(name))
    owner = sql.Identifier(new_owner(complaint.command))
    try:
        with connection.transaction():
            connection.execute(sql.SQL("GRANT CREATE ON {} TO {}").format(place, owner))
            connection.execute(complaint.command.encode())
            connection.execute(sql.SQL("REVOKE CREATE ON {} FROM {}").format(place, owner))
    except psycopg.errors.OperationalError:
        raise
    except psycopg.Error:
        return False
    return True
