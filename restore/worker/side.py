"""Proven tables go into schemas of their own in a database that is there already.

They were restored into a staging database, and compared there. Now their schemas get their new
names, and pg_dump and pg_restore carry them over in one transaction: the database has all of them,
or is as it was. The schema's comment says which restore made it, so that who comes again knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import psycopg
from psycopg import sql

from restore.adapters.postgres import Connection, said_by_tool
from restore.adapters.tools import Child, Client, add_argv, dump_schemas_argv
from restore.core.plan import DatabaseStep
from restore.core.side import renamed
from restore.errors import DataLossError, ExecutionError, TargetError, ToolError
from restore.worker import fence
from restore.worker.job import Job

_OUR_LEDGER = "_restore_ledger"
_POLITE = 16  # the newest pg_restore that sends nothing to a server which that does not know
_SHOWN = 5


class SideSchemaError(TargetError):
    """A schema of that name was made in the target database after the plan."""

    code = "side-schema-exists"


class SideNotProvenError(ExecutionError):
    """The staging database is not the one that was proven."""

    code = "not-proven"


def publish(job: Job, connection: Connection, step: DatabaseStep) -> None:
    """Bring the tables of `step.staging` into `step.target`, and drop the staging database.

    Safe to repeat, also after it was killed anywhere. Hold the step's fence on `connection`.
    Raises SideSchemaError where the name was taken meanwhile, DataLossError where rows did not
    arrive, and then nothing of them stays.
    """
    job.meter.enter("publishing")
    if not _is_staged(job, connection, step):
        if is_there(job, step):
            return
        raise SideNotProvenError(
            f"database {step.name!r}: expected the proven one as {step.staging!r}, found it gone",
            "start the restore again: nothing was published",
        )
    names = _rename(job, step)
    if not is_there(job, step):
        _refuse_strangers(job, step, names)
        _copy(job, step, names)
    _compare(job, step, names)
    with job.using(connection):
        fence.drop(connection, step.staging)


def is_there(job: Job, step: DatabaseStep) -> bool:
    """Has the target database the tables? One transaction brought all of its schemas, or none."""
    with job.session(step.target) as inside:
        row = inside.execute(
            "SELECT count(*) FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') = %s",
            (_mark(job),),
        ).fetchone()
    return row is not None and row[0] > 0


def schemas(job: Job, database: str) -> tuple[str, ...]:
    """The names that are taken in a database."""
    with job.session(database) as inside:
        rows = inside.execute("SELECT nspname FROM pg_namespace ORDER BY 1").fetchall()
    return tuple(name for (name,) in rows)


def _mark(job: Job) -> str:
    return f"restored beside the other schemas by restore {job.restore.id}"


def _is_staged(job: Job, connection: Connection, step: DatabaseStep) -> bool:
    """Is the proven database there? Known by its oid: one of that name may be another."""
    proven = job.proven(job.plan.databases.index(step))
    with job.using(connection):
        row = connection.execute(
            "SELECT oid FROM pg_database WHERE datname = %s", (step.staging,)
        ).fetchone()
    return row is not None and proven is not None and row[0] == proven.oid


def _rename(job: Job, step: DatabaseStep) -> tuple[str, ...]:
    """Give the schemas with tables in them their new names, all at once; those names."""
    with job.session(step.staging) as inside, inside.transaction():
        found = _marked(inside, _mark(job))
        if found:
            return found
        new = renamed(_with_tables(inside), step.side_schema)
        for old, name in new.items():
            form = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
            inside.execute(form.format(sql.Identifier(old), sql.Identifier(name)))
            if old == "public":  # whose owner is whoever owns the database
                form = sql.SQL("ALTER SCHEMA {} OWNER TO CURRENT_USER")
                inside.execute(form.format(sql.Identifier(name)))
            form = sql.SQL("COMMENT ON SCHEMA {} IS {}")
            inside.execute(form.format(sql.Identifier(name), sql.Literal(_mark(job))))
        return tuple(new.values())


def _marked(inside: Connection, mark: str) -> tuple[str, ...]:
    rows = inside.execute(
        "SELECT nspname FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') = %s"
        " ORDER BY 1",
        (mark,),
    ).fetchall()
    return tuple(name for (name,) in rows)


def _with_tables(inside: Connection) -> tuple[str, ...]:
    rows = inside.execute(
        "SELECT DISTINCT nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'p', 'f') AND nspname !~ '^pg_'"
        " AND nspname NOT IN ('information_schema', %s) AND NOT EXISTS (SELECT FROM pg_depend"
        " WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e') ORDER BY 1",
        (_OUR_LEDGER,),
    ).fetchall()
    return tuple(name for (name,) in rows)


def _refuse_strangers(job: Job, step: DatabaseStep, names: tuple[str, ...]) -> None:
    taken = sorted(set(names).intersection(schemas(job, step.target)))
    if taken:
        raise SideSchemaError(
            f"target database {step.target!r}: expected no schema {taken[0]!r}, found one made"
            " after the plan",
            'rename it, or start again with another "objects.sideSchema"',
        )


# ---- carrying over -----------------------------------------------------------------------------


def _copy(job: Job, step: DatabaseStep, names: tuple[str, ...]) -> None:
    """With owners, and without where these are not allowed to own something there."""
    said = _carry(job, step, names, keep_owners=step.keep_owners)
    if said and step.keep_owners:
        said = _carry(job, step, names, keep_owners=False)
    if said:
        raise ToolError(
            f"target database {step.target!r}: expected pg_restore to bring"
            f" {', '.join(names)} in one transaction, found: {said}",
            "the database is as it was; does it have the extensions that the tables need?",
        )


def _carry(job: Job, step: DatabaseStep, names: tuple[str, ...], keep_owners: bool) -> str:
    """From the one database into the other; what pg_restore could not do, "" if all is there.

    The last bytes wait until pg_dump has ended well: without them pg_restore commits nothing.
    """
    client = _client(job)
    with ExitStack() as children:
        dumping = children.enter_context(
            Child(
                dump_schemas_argv(client, step.staging, names),
                job.server.environment(),
                read=True,
            )
        )
        adding = children.enter_context(
            Child(
                add_argv(client, step.target, keep_owners=keep_owners),
                job.server.environment(),
                fed=True,
            )
        )
        for child in (dumping, adding):
            children.enter_context(job.stop.ending(child.end))
        held = b""
        for chunk in dumping.output():
            job.stop.check()
            if not adding.feed(held):
                break
            held = chunk
        else:
            if dumping.wait():
                raise _failed(dumping, f"the tables of {step.name!r}")
            adding.feed(held)
        adding.close_input()
        if adding.wait() == 0:
            return ""
        job.stop.check()
        if broken := said_by_tool(adding.said, f"target database {step.target!r}"):
            raise broken
        return next((line for line in adding.said if "error:" in line), "no message")


def _failed(child: Child, what: str) -> Exception:
    said = " ".join(child.said[-1:]) or "nothing"
    return said_by_tool(child.said, what) or ToolError(f"pg_dump: expected {what}, found: {said}")


def _client(job: Job) -> Client:
    """The oldest pg_dump that can dump the server; its own pg_restore reads what it writes.

    Source: postgresql.org/docs/18/app-pgdump.html, Notes.
    """
    server = int(re.split(r"\D", job.plan.target_version)[0])
    fit = [
        client
        for major, client in sorted(job.clients.items())
        if major >= server
        and (major <= max(server, _POLITE))
        and Path(client.program("pg_dump")).is_file()
    ]
    if fit:
        return fit[0]
    found = ", ".join(map(str, sorted(job.clients))) or "none"
    raise ToolError(
        f"PostgreSQL client: expected pg_dump of major {server}, found majors {found}",
        f"apt-get install postgresql-client-{server}",
    )


# ---- proof -------------------------------------------------------------------------------------


def _compare(job: Job, step: DatabaseStep, names: tuple[str, ...]) -> None:
    """Row by row they were compared before; here each table is counted on both sides."""
    with job.session(step.staging) as staged, job.session(step.target) as inside:
        expected, found = _rows(staged, names), _rows(inside, names)
        different = list(_differences(expected, found))
        if not different:
            return
        with inside.transaction():
            for name in names:
                inside.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))
    raise DataLossError(
        f"{len(different)} of {len(expected)} tables: {'; '.join(different[:_SHOWN])}",
        "the side schema was dropped, and nothing else touched; start the restore again",
    )


def _differences(
    expected: Mapping[tuple[str, str], int | None], found: Mapping[tuple[str, str], int | None]
) -> Iterator[str]:
    for (schema, table), rows in expected.items():
        there = found.get((schema, table), -1)
        if rows != there:
            shown = "none" if there == -1 else f"{there} rows"
            yield f"{schema}.{table}: expected {rows} rows, found {shown}"


def _rows(inside: Connection, names: tuple[str, ...]) -> dict[tuple[str, str], int | None]:
    """Rows by table, None where nobody may count them."""
    tables = inside.execute(
        "SELECT nspname, relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace"
        " WHERE relkind = 'r' AND nspname = ANY(%s) ORDER BY 1, 2",
        (list(names),),
    ).fetchall()
    return {(schema, table): _count(inside, schema, table) for schema, table in tables}


def _count(inside: Connection, schema: str, table: str) -> int | None:
    form = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table))
    with inside.transaction(force_rollback=True):
        inside.execute("SET LOCAL row_security = off")
        try:
            row = inside.execute(form).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            return None
    assert row is not None, "count(*) gives one row"
    return int(row[0])
