"""The databases that Airflow keeps its state in: what they say of runs and tasks is the ledger of the tests."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from batchtel_stack import children
from tests.pipeline.polling import until


class Database(ABC):
    """A database in a folder of its own; `url` is what SQLAlchemy takes."""

    url: str

    @abstractmethod
    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask it, reading only; a question mark in `query` stands for each of `values`."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve it for the length of a `with` block."""
        yield


class Sqlite(Database):
    """A file, which needs no server; Airflow 3 takes it with LocalExecutor, Airflow 2 does not."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.url = f"sqlite:///{file}"

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask it, reading only."""
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(query, values).fetchall()


UNPRIVILEGED: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""PostgreSQL refuses root. In a user namespace it is somebody else, whose access to its files is that of root."""


class Postgres(Database):
    """PostgreSQL on loopback, whose programs are in `programs` and whose data goes into `folder`."""

    def __init__(self, programs: Path, folder: Path, port: int) -> None:
        self._programs, self._folder = programs, folder
        self._address = f"airflow@127.0.0.1:{port}/postgres"
        self._port = port
        self._before = UNPRIVILEGED if os.geteuid() == 0 else ()
        self.url = f"postgresql+psycopg2://{self._address}"

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask it, reading only."""
        with closing(psycopg.connect(f"postgresql://{self._address}", autocommit=True)) as connection:
            connection.read_only = True
            return connection.execute(query.replace("?", "%s").encode(), values).fetchall()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make its data, and serve it for the length of a `with` block."""
        self._folder.mkdir(parents=True)
        self._make()
        log = self._folder / "postgres.log"
        with log.open("wb") as output:
            server = children.start([*self._before, *self._serve()], output=output)
        try:
            until("an answer of PostgreSQL", self._answers, 60, log.read_text)
            yield
        finally:
            server.send_signal(signal.SIGINT)  # its word for: at once, but in order
            server.wait(20)

    def _make(self) -> None:
        command: list[str | Path] = [*self._before, self._programs / "initdb", "--no-sync", "--encoding=utf8"]
        told = ["--username=airflow", "--auth=trust", "--pgdata", str(self._folder / "data")]
        done = subprocess.run([*command, *told], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _serve(self) -> list[str | Path]:
        # No socket file: its path would be too long. Nothing here outlives the machine, so nothing waits for the disk.
        told = ["-h", "127.0.0.1", "-p", str(self._port), "-k", "", "-c", "fsync=off"]
        return [self._programs / "postgres", "-D", self._folder / "data", *told]

    def _answers(self) -> bool | None:
        try:
            return bool(self.rows("SELECT 1"))
        except psycopg.OperationalError:
            return None
