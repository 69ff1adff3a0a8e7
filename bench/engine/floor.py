"""The least a restore can take: rows from plain local files, nothing else paid for.

`cut` makes the files beforehand. Run as a program, this restores from them: the schema by
pg_restore, the rows by the server's own COPY from its own files, on all connections, the biggest
table first; then indexes and constraints by pg_restore.
"""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import IO

import psycopg

from local.postgres import PostgresServer

_PIECES = 64  # of a table: so many that all connections are busy to the end
_SMALLEST_PIECE_BYTES = 4 << 20
_BATCH_FILES = 200
_BATCH_BYTES = 4 << 20

_COPY = re.compile(rb"COPY (.+) FROM stdin;\n")
_LO_OPEN = re.compile(rb"SELECT pg_catalog\.lo_open\('(\d+)', \d+\);\n")
_LO_WRITE = re.compile(rb"SELECT pg_catalog\.lowrite\(0, '\\x([0-9a-f]*)'\);\n")
_SETVAL = b"SELECT pg_catalog.setval("

_OBJECTS_TABLE = "CREATE TEMP TABLE IF NOT EXISTS objects (id oid, data bytea)"
_CREATE_OBJECTS = "SELECT count(lo_from_bytea(id, data)) FROM objects"


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of rows, by its name in the folder.

    `target` is a table with its columns; empty for large objects.
    """

    target: str
    name: str
    size_bytes: int
    table_bytes: int

    def statements(self, folder: Path) -> Iterator[str]:
        path = str(folder / self.name).replace("'", "''")
        if self.target:
            yield f"COPY {self.target} FROM '{path}'"
            return
        yield _OBJECTS_TABLE
        yield "TRUNCATE objects"
        yield f"COPY objects FROM '{path}'"
        yield _CREATE_OBJECTS


def cut(server: PostgresServer, dump: Path, folder: Path) -> int:
    """Write the rows of `dump` into `folder`, in files that the server may read; their bytes.

    `server` only tells where pg_restore is: this connects to nothing.
    """
    folder.mkdir(mode=0o755)
    writer = _Writer(folder)
    with subprocess.Popen(
        [server.binaries / "pg_restore", "--section=data", "--file=-", dump],
        stdout=subprocess.PIPE,
        bufsize=1 << 20,
    ) as process:
        assert process.stdout is not None
        _sort(process.stdout, writer)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, "pg_restore")
    return writer.finish()


def _sort(text: IO[bytes], writer: _Writer) -> None:
    """Rows, large objects and sequences of a script, each to where it belongs."""
    for line in text:
        if found := _COPY.fullmatch(line):
            writer.table(found[1].decode(), _rows(text))
        elif found := _LO_OPEN.fullmatch(line):
            writer.large_object(found[1], text)
        elif line.startswith(_SETVAL):
            writer.sequences.append(line.decode())


def _rows(text: IO[bytes]) -> Iterator[bytes]:
    for line in text:
        if line == b"\\.\n":
            return
        yield line
    raise EOFError("rows of a table: expected their end, found that of the script")


class _Writer:
    def __init__(self, folder: Path) -> None:
        self.sequences: list[str] = []
        self._folder = folder
        self._pieces: list[Piece] = []
        self._number = 0
        self._objects: IO[bytes] | None = None

    def table(self, target: str, rows: Iterator[bytes]) -> None:
        """One table's rows, into a file at first; it is cut when its size is known."""
        whole = self._new()
        with whole.open("wb", 1 << 20) as file:
            file.writelines(rows)
        size = whole.stat().st_size
        if not size:
            whole.unlink()
            return
        for path in self._divide(whole, max(_SMALLEST_PIECE_BYTES, size // _PIECES)):
            self._add(target, path, size)

    def large_object(self, oid: bytes, text: IO[bytes]) -> None:
        """One large object, whose writes come next in `text`."""
        if self._objects is None or self._objects.tell() > _SMALLEST_PIECE_BYTES:
            self._close_objects()
            self._objects = self._new().open("wb", 1 << 20)
        self._objects.write(oid + rb"	\\x")
        while found := _LO_WRITE.fullmatch(text.readline()):
            self._objects.write(found[1])
        self._objects.write(b"\n")

    def finish(self) -> int:
        self._close_objects()
        largest_first = sorted(self._pieces, key=lambda piece: (-piece.table_bytes, piece.target))
        document = {
            "sequences": self.sequences,
            "pieces": [astuple(piece) for piece in largest_first],
        }
        (self._folder / "pieces.json").write_text(json.dumps(document))
        return sum(piece.size_bytes for piece in self._pieces)

    def _add(self, target: str, path: Path, table_bytes: int) -> None:
        name = str(path.relative_to(self._folder))
        self._pieces.append(Piece(target, name, path.stat().st_size, table_bytes))

    def _new(self) -> Path:
        self._number += 1
        folder = self._folder / str(self._number // 1000)
        folder.mkdir(mode=0o755, exist_ok=True)
        return folder / f"{self._number}"

    def _divide(self, whole: Path, piece_bytes: int) -> Iterator[Path]:
        if whole.stat().st_size <= piece_bytes * 2:
            yield whole
            return
        with whole.open("rb") as file:
            while rows := file.read(piece_bytes):
                path = self._new()
                path.write_bytes(rows + file.readline())
                yield path
        whole.unlink()

    def _close_objects(self) -> None:
        if self._objects is not None:
            self._objects.close()
            path = Path(self._objects.name)
            self._add("", path, path.stat().st_size)
            self._objects = None


def _batches(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """What is loaded in one transaction: small files share one, so that commits cost nothing."""
    batch: list[Piece] = []
    for piece in pieces:
        batch.append(piece)
        if len(batch) == _BATCH_FILES or sum(p.size_bytes for p in batch) >= _BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _load(folder: Path, connections: int) -> None:
    document = json.loads((folder / "pieces.json").read_text())
    work: queue.SimpleQueue[list[Piece]] = queue.SimpleQueue()
    for batch in _batches([Piece(*fields) for fields in document["pieces"]]):
        work.put(batch)

    def drain() -> None:
        with psycopg.connect(autocommit=True) as connection:
            connection.execute("SET synchronous_commit = off; SET row_security = off")
            while True:
                try:
                    batch = work.get_nowait()
                except queue.Empty:
                    return
                statements = [text for piece in batch for text in piece.statements(folder)]
                connection.execute(";".join(statements).encode())

    with ThreadPoolExecutor(connections) as pool:
        for ended in [pool.submit(drain) for _ in range(connections)]:
            ended.result()
    if document["sequences"]:
        with psycopg.connect(autocommit=True) as connection:
            connection.execute("".join(document["sequences"]).encode())


def main(dump: str, folder: str, connections: str) -> None:
    """Restore into the database of the environment; says in JSON what took how long."""
    phases: dict[str, float] = {}

    def section(name: str, *options: str) -> None:
        argv = ["pg_restore", f"--section={name}", *options, "--dbname=", dump]
        subprocess.run(argv, check=True)

    began = time.monotonic()
    section("pre-data")
    phases["pre_data"] = time.monotonic() - began
    _load(Path(folder), int(connections))
    phases["data"] = time.monotonic() - began - phases["pre_data"]
    section("post-data", f"--jobs={connections}")
    phases["post_data"] = time.monotonic() - began - phases["pre_data"] - phases["data"]
    print(json.dumps({"phases": {name: round(s, 3) for name, s in phases.items()}}))


if __name__ == "__main__":
    main(*sys.argv[1:])
