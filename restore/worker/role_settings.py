"""Settings of roles in one database: `ALTER ROLE … IN DATABASE … SET`.

They belong to the database and go with it when it is renamed or dropped.
Source: postgresql.org/docs/18/catalog-pg-db-role-setting.html: kept by the database's oid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg

from restore.adapters.postgres import Connection
from restore.adapters.target_roles import read_role_target
from restore.core import role_script, roles, script
from restore.core.plan import DatabaseStep, Engine
from restore.core.role_script import SetParameter, printed
from restore.core.toc import Head
from restore.worker.job import Job
from restore.worker.roles import chunks, unplanned


def settings_of(head: Head) -> tuple[SetParameter, ...]:
    """Those that an archive tells of its database; pg_dump writes them from 11 on."""
    return tuple(
        setting
        for entry in head.entries.described("DATABASE PROPERTIES")
        for setting in role_script.database_settings(
            entry.definition.encode("utf-8", "surrogateescape"), head.dbname
        )
    )


def apply(
    job: Job, connection: Connection, step: DatabaseStep, head: Head | None
) -> tuple[str, ...]:
    """Make them in the staging database; a warning for each that the server refuses. Repeatable.

    What is left out of them by rule is in the plan.
    """
    told = tuple(_told(job, step, head))
    if not told:
        return ()
    refused = []
    found = roles.sanitise(told, read_role_target(connection), databases=[step.name])
    for setting in found.settings:
        statement = printed(replace(setting, database=step.staging))
        try:
            connection.execute(statement.encode("utf-8", "surrogateescape"))
        except psycopg.OperationalError:
            raise
        except psycopg.Error as exc:
            refused.append(
                f"setting {setting.parameter} of role {setting.role!r} in database {step.name!r}:"
                f" expected to make it, found: {type(exc).__name__}"  # a message can quote it
            )
    return (*unplanned(job.plan, found), *refused)


def _told(job: Job, step: DatabaseStep, head: Head | None) -> Iterator[SetParameter]:
    if job.plan.roles is not None:
        for statement in role_script.parse(chunks(job, job.plan.roles)):
            if isinstance(statement, SetParameter) and statement.database == step.name:
                yield statement
    if head is not None:
        yield from settings_of(head)
    if step.engine is Engine.SCHEMA:
        for text in script.about_database(chunks(job, step.blob), step.name):
            yield from role_script.database_settings(text, step.name)
