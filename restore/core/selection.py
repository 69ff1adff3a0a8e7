"""What of an archive is restored: what is asked for, and what the target's login can make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from restore.core import managed, scope
from restore.core.facts import Finding, Findings, LeftOut
from restore.core.options import Content
from restore.core.powers import Powers
from restore.core.request import Objects
from restore.core.toc import Head

_TOLD = 200
_IMPLIED = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
_NEEDS = "it needs "


@dataclass(frozen=True, slots=True)
class Selection:
    """Entries that are left out, by their ids; `refused` says why of those that cannot be made."""

    left_out: frozenset[int] = frozenset()
    refused: Mapping[int, str] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)


def select(head: Head, objects: Objects, login: Powers) -> Selection:
    """The same for the same archive, request and login, so that it need not be kept anywhere."""
    asked = scope.chosen(head, objects)
    wanted = (entry for entry in head.entries if entry.dump_id not in asked.left_out)
    refused = managed.left_out(wanted, login)
    broken = managed.broken_tables(
        (entry for entry in head.entries if entry.dump_id not in asked.left_out), refused
    )
    warnings = tuple(
        Finding(
            "table-at-risk",
            f"database {head.dbname!r}, table {table}",
            "it needs an object that is left out, so that it may be impossible to create",
            'leave the table out in "objects.tables.exclude", or change it in the source',
        )
        for table in broken[:_TOLD]
    )
    found = asked.findings
    return Selection(
        asked.left_out.union(refused),
        refused,
        Findings(found.refusals, (*found.warnings, *warnings), found.notes),
    )


def told(head: Head, refused: Mapping[int, str]) -> tuple[tuple[LeftOut, ...], int]:
    """What cannot be made, for the plan; and how many more there are.

    Without comments and grants that go with what they are about.
    """
    worth = [
        LeftOut(entry.description, managed.name_of(entry), refused[entry.dump_id])
        for entry in (head.entries if refused else ())
        if entry.dump_id in refused
        and not (entry.description in _IMPLIED and refused[entry.dump_id].startswith(_NEEDS))
    ]
    return tuple(worth[:_TOLD]), max(0, len(worth) - _TOLD)


def unsupported(database: str, objects: Objects, what: str) -> Findings:
    """The refusal to choose objects of `what`, which has no table of contents, if it is asked."""
    if objects.is_all and objects.content is Content.ALL and not objects.side_schema:
        return Findings()
    return Findings(
        refusals=(
            Finding(
                "scope-unsupported",
                f"database {database!r}",
                f"expected an archive of the custom format to choose objects of, found {what}",
                'restore all of it: leave "schemas", "tables", "content" and "sideSchema" out of'
                ' "objects"',
            ),
        )
    )
