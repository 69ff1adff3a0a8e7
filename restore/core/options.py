"""The words a request chooses from."""

from __future__ import annotations

from enum import StrEnum


class OnExisting(StrEnum):
    """What to do with a database that is already there under its name."""

    REFUSE = "refuse"  # nothing is touched
    SWAP = "swap"  # the old one is kept aside under another name, for as long as it can be undone
    REPLACE = "replace"  # the old one goes, once the new one is proven and has its name


class Publish(StrEnum):
    """When the databases get their names."""

    TOGETHER = "together"  # all in one transaction, when all are proven
    EACH = "each"  # each when it is proven: what fails holds up no other


class WhenBusy(StrEnum):
    """What to do while another restore works on the target server."""

    QUEUE = "queue"  # wait for its end
    REFUSE = "refuse"


class Approval(StrEnum):
    """Does a person have to agree to the plan?"""

    NONE = "none"
    REQUIRED = "required"


class Level(StrEnum):
    """How far the result is compared with the dump. Each does what stands before it as well."""

    COUNTS = "counts"  # the rows of each table
    CATALOG = "catalog"  # every object of the table of contents, valid, with its owner and grants
    SCHEMA = "schema"  # what pg_dump says of the result against what the archive says
    CONTENT = "content"  # a hash of every table's rows


class ExistingRoles(StrEnum):
    """What to do with a role of the backup that the target has already."""

    KEEP = "keep"  # it stays as it is
    UPDATE = "update"  # attributes it lacks are added, and it gets the password of the backup


class WithoutPassword(StrEnum):
    """What to do with a login whose password the backup does not tell."""

    KEEP = "keep"  # a role that cannot log in until somebody gives it a password
    GENERATE = "generate"  # a random password, which goes into the key vault and nowhere else
    SKIP = "skip"  # no such role


class Content(StrEnum):
    """What of a database."""

    ALL = "all"
    SCHEMA = "schema"  # no rows
    DATA = "data"  # rows and what they stand in: no indexes, constraints, triggers or the like


class Roles(StrEnum):
    SANITISE = "sanitise"  # what a managed server accepts
    SKIP = "skip"


class Script(StrEnum):
    SKIP = "skip"
    APPLY = "apply"


class EngineChoice(StrEnum):
    """Who moves the content of archives into the server."""

    AUTO = "auto"  # the engine where it can, else pg_restore
    STREAM = "stream"  # the engine; what it cannot restore is refused
    PG_RESTORE = "pg_restore"
