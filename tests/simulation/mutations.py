"""Faults planted in the product, each of which the simulation has to find.

A mutation changes a few words of a module while it is imported, in a process of its own.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Mutation:
    name: str
    module: str
    words: str  # which stand in the module once
    instead: str


MUTATIONS = (
    Mutation(
        "a state is saved whatever its ETag",
        "tests.fakes",
        'if self._stored.get(restore.id, (b"", ""))[1] != etag:',
        "if False:",
    ),
    Mutation(
        "two restores work on one server",
        "restore.core.state",
        "            return self.phase is not Phase.AWAITING_APPROVAL\n",
        "            return False\n",
    ),
    Mutation(
        "the vault's job is triggered without a look for one",
        "restore.commands",
        "    job = control.vault.find_restore(instance, landing)\n    if job is not None:\n",
        "    job = None\n    if job is not None:\n",
    ),
    Mutation(
        "the vault's job is triggered while an answer is in doubt",
        "restore.commands",
        "if command.begun is not None and now - command.begun < doubt:",
        "if False:",
    ),
    Mutation(
        "what has ended is decided about again",
        "restore.core.life",
        "decider = Afterwards if restore.ended else _Life",
        "decider = _Life",
    ),
    Mutation(
        "what was not told counts as told",
        "restore.commands",
        "        control.bus.announce(restore.id, cloud_event(restore.id, news))\n",
        "        if news.number != 3:\n"
        "            control.bus.announce(restore.id, cloud_event(restore.id, news))\n",
    ),
    Mutation(
        "what is to be told is forgotten",
        "restore.core.announcements",
        "waiting = (*after.announcements, *told)",
        "waiting = told",
    ),
    Mutation(
        "a call is forgotten while something else is done after the end",
        "restore.core.afterwards",
        "Do.PURGE, Do.CALL})",
        "Do.PURGE})",
    ),
    Mutation(
        "the landing account is shut though others need it open",
        "restore.guarding",
        "    if left.users:\n",
        "    if False:\n",
    ),
    Mutation(
        "the landing account is changed before it is noted what it was",
        "restore.guarding",
        "    access = doors.accounts.read(doors.account)\n    kept.store(",
        "    access = doors.accounts.read(doors.account)\n"
        "    if not access.lets_in(vault):\n"
        "        doors.accounts.write(doors.account, access.letting_in(vault), access)\n"
        "        return AccountAsked(Do.OPEN)\n"
        "    kept.store(",
    ),
    Mutation(
        "the landing account of a restore that stopped is left open",
        "restore.core.afterwards",
        "        outbox = (*outbox, Command(Do.SHUT, now, begun=now))\n",
        "        pass\n",
    ),
    Mutation(
        "lost tickets are not sent again",
        "restore.core.decider",
        "            if task.id not in unsent:\n",
        "            if False:\n",
    ),
    Mutation(
        "silent workers are waited for",
        "restore.core.decider",
        "                return self.task_failed(restore, task, SILENT)\n",
        "                continue\n",
    ),
    Mutation(
        "nobody watches",
        "restore.core.decider",
        "outbox=(*others, *sends, watch)",
        "outbox=(*others, *sends)",
    ),
    Mutation(
        "a second try has the number of the first",
        "restore.core.decider",
        '"attempt": task.attempt + 1',
        '"attempt": task.attempt',
    ),
    Mutation(
        "nothing is cleaned up",
        "restore.core.life",
        '        if touched and restore.task("cleanup") is None:\n',
        "        if False:\n",
    ),
    Mutation(
        "all is published before all is proven",
        "restore.core.life",
        "            if ready or any(task.state not in _OVER for task in group):\n",
        "            if False:\n",
    ),
    Mutation(
        "debts are forgotten",
        "restore.core.afterwards",
        "    if restore.debts:\n        outbox =",
        "    if False:\n        outbox =",
    ),
    Mutation(
        "the timer passes over what has ended",
        "restore.flows",
        "if summary.phase not in FINAL or (summary.due is not None and summary.due <= now)",
        "if summary.phase not in FINAL",
    ),
    Mutation(
        "a plan goes ahead unapproved after another was approved",
        "restore.core.life",
        "restore.approved != plan.hash:",
        "not restore.approved:",
    ),
    Mutation(
        "a restore that published something is called cancelled",
        "restore.core.life",
        "    if restore.cancelled and not restore.published:\n",
        "    if restore.cancelled:\n",
    ),
    Mutation(
        "the first listing counts",
        "restore.core.life",
        "        quiet = self.restore.listed and files == self.restore.files\n",
        "        quiet = True\n",
    ),
    Mutation(
        "what is restored again is not looked at again after an approval",
        "restore.core.life",
        '        task = Task("prepare", attempt=known.attempt + 1 if known else 1)\n',
        '        task = Task("prepare")\n',
    ),
    Mutation(
        "what was replaced is dropped at once",
        "restore.worker.debts",
        "    return step.keeps and (undo is None or undo.state in _KEPT)\n",
        "    return False\n",
    ),
    Mutation(
        "what was not published is kept",
        "restore.worker.debts",
        "        if name == step.staging:\n",
        "        if False:\n",
    ),
    Mutation(
        "a database is published by its name alone",
        "restore.worker.finish",
        "        if name == step.staging:\n",
        "        if True:\n",
    ),
    Mutation(
        "more databases than allowed are restored at the same time",
        "restore.core.life",
        "ready = self.admitted(group, ready)",
        "ready = list(ready)",
    ),
    Mutation(
        "files are never deleted",
        "restore.core.afterwards",
        "outbox = (*outbox, Command(Do.PURGE, now + keep))",
        "pass",
    ),
    Mutation(
        "files are deleted while they are still read",
        "restore.commands",
        "                control.landing.create(restore.container, restore.id)\n",
        "                control.landing.create(restore.container, restore.id)\n"
        "                control.landing.delete(restore.container, restore.id)\n"
        "                control.landing.create(restore.container, restore.id)\n",
    ),
)


def plant(mutation: Mutation) -> None:
    """Have it in the module when that is imported. Before anything of it is."""
    assert mutation.module not in sys.modules, "it is imported already"
    sys.meta_path.insert(0, _Finder(mutation))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._mutation.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None, f"there is no module {fullname}"
        assert spec.origin is not None, f"{fullname} has no source"
        spec.loader = _Loader(fullname, spec.origin, self._mutation)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, mutation: Mutation) -> None:
        super().__init__(name, path)
        self._mutation = mutation

    def get_code(self, fullname: str) -> object:  # type: ignore[override]
        """Never from a cache, nor into one."""
        source = self.get_data(self.path).decode()
        times = source.count(self._mutation.words)
        assert times == 1, f"{self._mutation.name}: its words stand there {times} times"
        changed = source.replace(self._mutation.words, self._mutation.instead)
        return compile(changed, self.path, "exec", dont_inherit=True)
