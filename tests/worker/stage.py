"""A restore whose databases are proven, without the restoring: a few rows on a real server.

What finish, undo and the others do to it does not depend on how the rows got there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
from psycopg import sql

from restore import flows
from restore.core import life
from restore.core.dumps import Blob
from restore.core.messages import DatabaseResult, Result, TaskResult
from restore.core.options import OnExisting, Publish
from restore.core.plan import DatabaseStep, Engine, Plan, side_name
from restore.core.policy import Policy
from restore.core.request import RestoreRequest, Source, Target
from restore.core.state import Do, Phase, Restore, Task, TaskState
from tests.fakes import MemoryRecords, MemoryStates

ID = "0123456789abcdef"
OWNER = "stage_owner"  # of the old databases; the login is no member of it
POLICY = Policy()


class Stage:
    """Databases as they are just before they are published; `bench` is cleared after the test.

    `old` are names that are taken: each database has a table `mark` that says which one it is.
    """

    def __init__(self, bench, *names, old=(), **request):
        self.bench = bench
        self._add_owner()
        steps, results = [], []
        for name in names:
            taken = name in old
            steps.append(
                DatabaseStep(
                    name=name,
                    target=name,
                    staging=side_name(name, "restoring", ID),
                    before=side_name(name, "before", ID) if taken else "",
                    blob=Blob(f"{name}.sql", 10, "e"),
                    engine=Engine.STREAM,
                    client=18,
                    replaces=self.create(name, "old", OWNER) if taken else 0,
                    keeps=request.get("on_existing") is not OnExisting.REPLACE,
                )
            )
            oid = self.create(steps[-1].staging, "new", bench.server.admin)
            results.append(DatabaseResult(name, 1, 1, 1, oid=oid))
        self._begin(steps, results, request)

    def _begin(self, steps, results, request):
        bench = self.bench
        target = Target("127.0.0.1", bench.server.admin, bench.port, "target")
        source = Source(container=bench.container)
        asked = {"on_existing": OnExisting.SWAP, "leave_seconds": 0, **request}
        plan = Plan(tuple(steps), borrow=(OWNER,), hash="h")
        tasks = [
            Task(
                f"database-{index}",
                TaskState.DONE,
                sent=bench.now,
                result=TaskResult(f"database-{index}", 1, Result.DONE, database=result),
            )
            for index, result in enumerate(results)
        ]
        each = asked.get("publish") is Publish.EACH
        begun = replace(
            life.begin(ID, RestoreRequest(source, target, **asked), bench.container, bench.now),
            phase=Phase.RESTORING,
            plan=plan,
            tasks=(
                *tasks,
                *(Task(f"publish-{index}") for index in range(len(steps)) if each),
                Task("finish"),
            ),
        )
        life_of = life._Life(begun, bench.now, POLICY)
        bench.states = MemoryStates()
        bench.records = MemoryRecords()
        bench.states.create(life_of.advance(replace(begun, outbox=())))
        bench.last = ID
        bench.control.states.claim(target.address, ID)

    def _add_owner(self):
        bench = self.bench
        bench.rows(sql.SQL("CREATE ROLE {}").format(sql.Identifier(OWNER)))
        if bench.server.major >= 16:  # which CREATE ROLE gives to who is no superuser
            form = "GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
            admin = sql.Identifier(bench.server.admin)
            bench.rows(sql.SQL(form).format(sql.Identifier(OWNER), admin))

    # ---- what is there

    def create(self, name, mark, owner):
        """Oid of a new database whose table says `mark`."""
        form = sql.SQL("CREATE DATABASE {} OWNER {}")
        self.bench.rows(form.format(sql.Identifier(name), sql.Identifier(owner)))
        self.bench.rows(f"CREATE TABLE mark AS SELECT '{mark}' AS word", name)
        form = "SELECT oid FROM pg_database WHERE datname = %s"
        ((oid,),) = self.bench.rows(form, parameters=[name])
        return oid

    @property
    def restore(self) -> Restore:
        return self.bench.restore

    def mark(self, name):
        """Which database has that name, as a client sees it; "" if none has."""
        try:
            return self.bench.rows("SELECT word FROM mark", name)[0][0]
        except psycopg.OperationalError as error:
            return "" if "does not exist" in str(error) else str(error).splitlines()[-1]

    def marks(self):
        return {name: self.mark(name) for name in self.bench.databases()}

    def closed(self):
        """Names of databases that accept no sessions, or only some."""
        form = (
            "SELECT datname FROM pg_database WHERE datname <> 'template0'"
            " AND (NOT datallowconn OR datconnlimit <> -1)"
        )
        return {name for (name,) in self.bench.rows(form)}

    # ---- what happens

    def until(self, task):
        """The first ticket for `task`, which is not taken yet."""
        while not self.bench.bus.tickets or self.bench.bus.tickets[0].task != task:
            self.bench.step()
        return self.bench.bus.tickets[0]

    def work(self, task):
        """The result of the ticket for `task`, worked on as if it came once more later."""
        ticket = self.until(task)
        self.bench.deliver(ticket)
        return self.bench.records.result(ID, task, ticket.attempt)

    def die_after(self, task):
        """Its worker dies after its work is done, and before anybody hears of that."""
        self.work(task)
        self.bench.bus.reports()
        self.bench.records = MemoryRecords()

    def ask_undo(self):
        flows.undo(self.bench.control, ID)

    def undo(self):
        """The restore after its undo, whatever came of that."""
        self.ask_undo()
        return self.settle()

    def settle(self):
        """The restore when it has nothing left to do but to wait for the end of its undo window."""
        while not self.restore.ended or any(c.do is not Do.RETIRE for c in self.restore.outbox):
            self.bench.step()
        return self.restore

    def retire(self):
        """The restore after its undo window."""
        while self.restore.outbox:
            if not self.bench.bus.tickets:
                due = min(command.due for command in self.restore.outbox)
                self.bench.now = max(self.bench.now, due - timedelta(seconds=60))
            self.bench.step()
        return self.restore
