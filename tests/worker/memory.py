"""The worker's ports in memory, and a landing container in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from restore.core import state
from restore.core.dumps import Blob
from restore.errors import ConflictError, NotFoundError
from restore.ports import Stored, Summary

CONTAINER = "http://127.0.0.1:10000/devstoreaccount1/files"


class States:
    def __init__(self):
        self.stored = {}

    def create(self, restore):
        if restore.id in self.stored:
            raise ConflictError("taken")
        return self._put(restore)

    def load(self, restore_id):
        if restore_id not in self.stored:
            raise NotFoundError(f"restore {restore_id}: expected one, found none")
        body, etag = self.stored[restore_id]
        return Stored(state.decode(body), etag)

    def save(self, restore, etag):
        if self.stored[restore.id][1] != etag:
            raise ConflictError("changed")
        return self._put(restore)

    def summaries(self) -> Iterator:
        for body, _ in self.stored.values():
            restore = state.decode(body)
            yield Summary(restore.id, restore.phase, restore.created, restore.updated, "")

    def _put(self, restore):
        body = state.encode(restore)
        etag = hashlib.sha256(body).hexdigest()
        self.stored[restore.id] = body, etag
        return Stored(restore, etag)


class Records:
    def __init__(self):
        self.results = {}
        self.news = []

    def put_result(self, restore_id, result):
        return self.results.setdefault((restore_id, result.task, result.attempt), result)

    def result(self, restore_id, task, attempt):
        return self.results.get((restore_id, task, attempt))

    def put_progress(self, restore_id, progress):
        self.news.append(progress)

    def progress(self, restore_id):
        return {news.task: news for news in self.news}


class Landing:
    """The files of one folder. `chunk_bytes` is how they are streamed."""

    def __init__(self, folder: Path, chunk_bytes: int = 4096):
        self.folder = folder
        self.chunk_bytes = chunk_bytes

    def url(self, container):
        return CONTAINER

    def owns(self, url):
        return url == CONTAINER

    def blobs(self, url):
        return tuple(
            Blob(path.name, path.stat().st_size, self._etag(path))
            for path in sorted(self.folder.iterdir())
        )

    def read(self, url, blob, offset, size_bytes):
        return self._content(blob)[offset : offset + size_bytes]

    def stream(self, url, blob):
        content = self._content(blob)
        for start in range(0, len(content), self.chunk_bytes):
            yield content[start : start + self.chunk_bytes]

    def _content(self, blob):
        path = self.folder / blob.name
        if self._etag(path) != blob.etag:
            raise ConflictError(f"file {blob.name!r}: expected {blob.etag}, found another")
        return path.read_bytes()

    def _etag(self, path):
        return hashlib.sha256(path.read_bytes()).hexdigest()


class Bus:
    def __init__(self):
        self.tickets = []
        self.reports = []

    def send_ticket(self, ticket, not_before=None):
        self.tickets.append(ticket)

    def send_report(self, report):
        self.reports.append(report)

    @contextmanager
    def take(self, wait_seconds):
        yield Hold(self.tickets.pop(0)) if self.tickets else None


@dataclass
class Hold:
    ticket: object
    settled: list = field(default_factory=list)

    def complete(self):
        self.settled.append("completed")

    def give_back(self):
        self.settled.append("given back")


class Secrets:
    def __init__(self, **values):
        self.values = values

    def get(self, name):
        return self.values[name]
