"""What of a dump one step restores, and the list of it that pg_restore takes."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from restore.core import selection
from restore.core.plan import DatabaseStep
from restore.core.selection import Selection
from restore.core.toc import Head
from restore.worker.job import Job

_NONE = -1


def select(job: Job, step: DatabaseStep, head: Head | None) -> Selection:
    """As the plan was made; all of it, where there is no table of contents."""
    if head is None:
        return Selection()
    return selection.select(head, job.restore.request.objects, step.powers)


@contextmanager
def listed(head: Head | None, left_out: Collection[int]) -> Iterator[int]:
    """The descriptor of a file for pg_restore's --use-list; negative if nothing is left out.

    In the order of the TOC, which is pg_restore's own: it takes entries as they are listed.
    Source: SortTocFromFile in pg_backup_archiver.c, PostgreSQL 18.
    """
    if head is None or not left_out:
        yield _NONE
        return
    with tempfile.TemporaryFile() as file:
        file.writelines(b"%d;\n" % i for i in head.entries.dump_ids if i not in left_out)
        file.flush()
        yield file.fileno()


def opened(descriptor: int) -> str:
    """The path by which another program opens it anew, from its start; "" for none.

    Source: proc(5).
    """
    return "" if descriptor < 0 else f"/proc/self/fd/{descriptor}"
