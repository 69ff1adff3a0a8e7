"""Entries of the schema are made: each in one transaction with its note in the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence

import psycopg

from restore.adapters.postgres import Connection
from restore.core.complaints import Complaint
from restore.core.post import Step
from restore.engine import ledger
from restore.engine.session import Session, is_the_servers

_BATCH_STEPS = 100
_BATCH_BYTES = 256 * 1024
_SHOWN = re.compile(r"ALTER .+ OWNER TO .+(?=;)|[^('$;]*", re.DOTALL)
_LONGEST = 160


def make(session: Session, steps: Iterable[Step], made: MutableMapping[int, int]) -> Iterator[None]:
    """Make what `made` does not have yet of `steps`, one after the other; yields now and then.

    `made` is how many statements of each entry are done; it grows with them. Many steps go in one
    transaction; if one is refused, each of them by itself, every statement under a savepoint: what
    one object lacks costs no other. What was refused is in the ledger. Repeatable: so is the rest.
    Raises UnreachableError and the like where the server itself is at fault.
    """
    for batch in _batches(left(steps, made)):
        try:
            _execute(session, batch)
        except psycopg.Error as exc:
            if (broken := is_the_servers(exc, session.connection)) is not None:
                raise broken from exc
            session.forget()
            for step in batch:
                made[step.entry.dump_id] = _by_itself(session, step)
        else:
            made.update((step.entry.dump_id, step.last) for step in batch)
        yield


def left(steps: Iterable[Step], made: Mapping[int, int]) -> Iterator[Step]:
    """What is not made yet of `steps`."""
    for step in steps:
        done = made.get(step.entry.dump_id, -1)
        if done < step.last:
            yield Step(step.entry, max(step.first, done), step.last)


def _batches(steps: Iterable[Step]) -> Iterator[list[Step]]:
    batch: list[Step] = []
    size_bytes = 0
    for step in steps:
        batch.append(step)
        size_bytes += sum(map(len, step.statements))
        if len(batch) == _BATCH_STEPS or size_bytes > _BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _execute(session: Session, batch: Sequence[Step]) -> None:
    """One message to the server, which is one transaction.

    Source: postgresql.org/docs/18/protocol-flow.html, multiple statements in a simple query.
    """
    parts = []
    for step in batch:
        parts.append(session.set_up(step.entry.settings))
        parts += step.statements
    parts.append(ledger.made_sql((step.entry.dump_id, step.last) for step in batch))
    session.connection.execute(b"\n".join(parts))


def _by_itself(session: Session, step: Step) -> int:
    """How many of the entry's statements are done with; all of a chain that broke."""
    connection, entry = session.connection, step.entry
    with connection.transaction():
        refused = tuple(make_here(session, [step]))
        done = len(entry.statements) if refused and entry.is_chain else step.last
        for complaint in refused:
            ledger.note_lost(connection, complaint)
        connection.execute(ledger.made_sql([(entry.dump_id, done)]))
    return done


def make_here(session: Session, steps: Iterable[Step]) -> Iterator[Complaint]:
    """Make `steps` in the transaction that is open, each statement under a savepoint.

    Yields what was refused. Raises as `make` does.
    """
    connection = session.connection
    for step in steps:
        if session.set_up(step.entry.settings):
            refusals = (_refused(connection, setting) for setting in step.entry.settings)
            yield from filter(None, refusals)  # the object is made without
        for statement in step.statements:
            if refused := _refused(connection, statement):
                yield refused
                if step.entry.is_chain:
                    _undo(connection, step.entry.undo)
                    break
        # Grants made by another than the owner stand between a SET of this and its RESET.
        connection.execute("RESET SESSION AUTHORIZATION")


def _refused(connection: Connection, statement: bytes) -> Complaint | None:
    """Run it under a savepoint; what the server has against it, None if nothing."""
    try:
        with connection.transaction():
            connection.execute(statement)
    except psycopg.Error as exc:
        if (broken := is_the_servers(exc, connection)) is not None:
            raise broken from exc
        return _complaint(statement.decode(connection.info.encoding, "backslashreplace"), exc)
    return None


def _undo(connection: Connection, statement: bytes) -> None:
    """What there may be nothing to undo of, is left as it is."""
    if statement:
        _refused(connection, statement)


def _complaint(statement: str, error: psycopg.Error) -> Complaint:
    """Without what stands behind the first literal or parenthesis: it may hold secrets or rows."""
    shown = _SHOWN.match(statement)
    command = " ".join((shown[0] if shown else "").split())[:_LONGEST]
    message = error.diag.message_primary or str(error).partition("\n")[0]
    return Complaint(command, message, error.sqlstate or "")
