"""What the login of the restore must be allowed to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from restore.core.facts import Finding
from restore.core.preflight.case import Case, Name
from restore.core.sql import quote_identifier


def refusals(case: Case, wanted: Collection[Name]) -> Iterator[Finding]:
    target = case.target
    login, name = f"login {target.login!r}", quote_identifier(target.login)
    if not (target.createdb or target.superuser):
        yield Finding(
            "no-createdb",
            login,
            "expected CREATEDB, found a login without it: no database can be created or renamed",
            "as another administrator",
            (f"ALTER ROLE {name} CREATEDB;",),
        )
    if case.created_roles - set(target.roles) and not (target.createrole or target.superuser):
        yield Finding(
            "no-createrole",
            login,
            "expected CREATEROLE, found a login without it: the backup's roles cannot be created",
            'as another administrator; or set "globals": {"roles": "skip"}',
            (f"ALTER ROLE {name} CREATEROLE;",),
        )
    yield from _replaced(case, wanted)


def _replaced(case: Case, wanted: Collection[Name]) -> Iterator[Finding]:
    """Databases that get out of the way: only their owners may rename them, and from outside.

    Source: postgresql.org/docs/18/sql-alterdatabase.html, RENAME; sql-grant.html, Notes on roles.
    """
    taken = {name.target for name in wanted if name.taken}
    maintenance = case.request.target.database
    if maintenance in taken:
        yield Finding(
            "target",
            f"database {maintenance!r}",
            "expected one to connect to while others are renamed, found the one to be replaced",
            'name another one in "target.database", such as "postgres"',
        )
    login = quote_identifier(case.target.login)
    for there in sorted(case.target.existing, key=lambda there: there.name):
        if there.name in taken and not (there.is_ours or there.may_be):
            yield Finding(
                "target-privilege",
                f"database {there.name!r}",
                f"expected one that {case.target.login} may rename, found one of {there.owner}",
                "make the login a member of the owner, as somebody who may grant it; "
                'or restore under another name in "databases.rename"',
                (f"GRANT {quote_identifier(there.owner)} TO {login};",),
            )
