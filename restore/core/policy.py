"""How patient a restore is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Seconds, unless the name says otherwise."""

    announce: bool = False  # tell others of each transition
    guards: bool = False  # open the landing account for the vault's job, and shut it again
    poll_seconds: float = 30  # between two looks at Azure's operations and jobs
    settle_seconds: float = 10  # two listings this far apart must be equal
    missing_seconds: float = 120  # how long a file that was announced may be missing
    retry_seconds: float = 15  # before the second try; doubled for each one after
    watch_seconds: float = 30
    silence_seconds: float = 900  # a worker that says nothing for so long is dead
    doubt_seconds: float = 120  # how long a trigger whose answer was lost may take to show
    max_attempts: int = 3
    max_command_failures: int = 10
    stuck_seconds: float = 600  # without any step forward: somebody should look
    max_databases: int = 8  # of one restore, at the same time
    deadline_hours: float = 72
    approval_hours: float = 24
    undo_hours: float = 72  # how long a database that was replaced is kept
    keep_files_hours: float = 0  # the landing container's, once its databases are published
    keep_failed_files_hours: float = 72  # where nothing was published: they can be adopted
    debt_seconds: float = 60  # before debts are collected; doubled for each try after
    max_debt_tries: int = 12
