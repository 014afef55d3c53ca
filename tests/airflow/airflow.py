"""Real Airflow with LocalExecutor: its programs on loopback, and their output."""

from __future__ import annotations

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from batchtel_stack import children
from tests.airflow.database import Postgres
from tests.airflow.installation import ROOT, install, migrated
from tests.support.polling import until

FINISHED: Final = ("success", "failed")

SECONDS: Final = 600.0
"""How long DAG runs may last, also on a machine that others use."""

NO_LOG_SERVER: Final = "--skip-serve-logs"
"""The programs that run tasks or triggers serve their logs on fixed ports, which another Airflow here may have."""


class Airflow(ABC):
    """Airflow in `folder`, with the DAG files of `dags`; every DAG in them starts by itself, if it has a schedule.

    `version` is one that has a folder here, such as `3.3`; `variables` are environment variables on top, for all its
    processes.
    What differs between Airflow 2 and 3 is in the subclasses, in `lines.py`.
    """

    def __init__(self, version: str, folder: Path, dags: Path, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self.programs = programs = install(version)
        self._migrated = migrated(version)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.database = Postgres(programs.parent, folder / "postgres")
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith(("OTEL_", "BATCHTEL_"))},
            "PATH": f"{programs}:{os.environ['PATH']}",
            # The DAG files of the tests import `tests.airflow.authoring`.
            "PYTHONPATH": str(ROOT),
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            # No file is written beside the sources.
            "PYTHONDONTWRITEBYTECODE": "1",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "10",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database.url,
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            # A busy machine is slow to answer ten tasks that start at once; by default one that has waited for 5 s
            # fails, and its next try comes 300 s later.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
            **self._settings(),
            **variables,
        }

    @abstractmethod
    def _settings(self) -> Mapping[str, str]:
        """Return the environment variables that this line of Airflow needs."""

    @abstractmethod
    def start_around(self) -> None:
        """Start what a scheduler of this line of Airflow needs beside it."""

    def start_all(self) -> None:
        """Start all programs."""
        self.start_around()
        for program in ("triggerer", "scheduler"):
            self.start(program, NO_LOG_SERVER)

    @contextmanager
    def running(self, *, scheduler: bool = True) -> Iterator[None]:
        """Run it for the length of a `with` block, without triggerer and scheduler where these are started apart."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.database.running(self._migrated, lambda: self.command("db", "migrate")):
            try:
                self.start_all() if scheduler else self.start_around()
                yield
            finally:
                self.stop()

    def command(self, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        """Run one command of Airflow to its end, with `variables` on top, and return its output."""
        done = subprocess.run(
            [self.programs / "airflow", *arguments],
            env={**self.environment, **(variables or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, program: str, *options: str) -> None:
        """Start one program of Airflow; it writes into `<program>.log`."""
        command: list[str | Path] = [self.programs / "airflow", program, *options]
        with (self.folder / f"{program}.log").open("ab") as output:
            self._processes[program] = children.start(
                command, output=output, folder=self.folder, environment=self.environment
            )

    @contextmanager
    def another_scheduler(self, name: str, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run a scheduler with `variables` on top for the length of a `with` block; it writes `<name>.log`."""
        with (self.folder / f"{name}.log").open("wb") as output:
            process = children.start(
                [self.programs / "airflow", "scheduler", NO_LOG_SERVER],
                output=output,
                folder=self.folder,
                environment={**self.environment, **variables},
            )
        try:
            yield process
        finally:
            _end(process)

    def wait_for_dag(self, dag_id: str) -> None:
        """Return when a DAG can be run."""
        query = "SELECT 1 FROM serialized_dag WHERE dag_id = ?"
        until(f"the DAG {dag_id} in the database", lambda: self.rows(query, dag_id) or None, SECONDS)

    def stop(self) -> None:
        """End every program with all that it has started; the scheduler first, as it waits for its tasks."""
        for process in reversed(self._processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            _end(process)
        self._processes.clear()

    def log(self, program: str) -> str:
        """Return what a program has written until now."""
        return (self.folder / f"{program}.log").read_text(encoding="utf-8", errors="replace")

    def task_logs(self, dag_id: str) -> str:
        """Return Airflow's own logs of all tasks of a DAG."""
        files = sorted((self.folder / "logs" / f"dag_id={dag_id}").rglob("*.log"))
        return "".join(file.read_text(encoding="utf-8") for file in files)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask Airflow's own database, reading only: its rows are the ledger."""
        return self.database.rows(query, *values)

    def dag_runs(self, dag_id: str) -> list[str]:
        """Return the states of the runs of a DAG, in the order of their start."""
        return [state for (state,) in self.rows("SELECT state FROM dag_run WHERE dag_id = ? ORDER BY id", dag_id)]

    def tasks(self, dag_id: str) -> list[tuple[str, int, str, int]]:
        """Return task id, map index, state and try number of the tasks of a DAG."""
        query = "SELECT task_id, map_index, state, try_number FROM task_instance WHERE dag_id = ? ORDER BY 1, 2"
        return self.rows(query, dag_id)

    def wait(self, *dag_ids: str, runs: int = 1) -> None:
        """Return when each of the DAGs has ended as many `runs`."""
        seen: dict[str, Any] = {}

        def look() -> bool | None:
            for dag_id in dag_ids:
                seen[dag_id] = (self.dag_runs(dag_id), self.tasks(dag_id))
            ended = (sum(state in FINISHED for state in states) >= runs for states, _ in seen.values())
            return all(ended) or None

        def context() -> str:
            return "\n".join((str(seen), *(self.log(program)[-3000:] for program in self._processes)))

        until(f"{runs} ended runs of {', '.join(dag_ids)}", look, SECONDS, context)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end if it has not, and kill it with its group if it does not within 20 s."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        children.kill_group(process.pid, signal.SIGKILL)
        process.wait()
