"""Real Airflow: its scheduler, DAG processor and API server on loopback, with LocalExecutor and SQLite."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from batchtel_stack import children
from tests.pipeline.polling import until

FINISHED: Final = ("success", "failed")

SECONDS: Final = 300.0
"""How long DAG runs may take; the race of ten tasks takes about 20 s alone on two cores."""


class Airflow:
    """Airflow in `folder`, with the DAG files of `dags`; every DAG in them starts by itself, if it has a schedule.

    `programs` has the commands of its environment; `told` are environment variables on top, for all its processes.
    """

    def __init__(self, programs: Path, folder: Path, dags: Path, port: int, told: Mapping[str, str]) -> None:
        self.folder = folder
        self.database = folder / "airflow.db"
        self.url = f"http://127.0.0.1:{port}"
        self._programs = programs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith(("OTEL_", "BATCHTEL_"))},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            # No file is written beside the sources.
            "PYTHONDONTWRITEBYTECODE": "1",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "10",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": "for-tests-" + "0" * 64,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.database}",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
            **told,
        }

    @classmethod
    @contextmanager
    def running(
        cls,
        programs: Path,
        folder: Path,
        dags: Path,
        port: int,
        told: Mapping[str, str],
    ) -> Iterator[Airflow]:
        """Run Airflow for the length of a `with` block."""
        airflow = cls(programs, folder, dags, port, told)
        airflow.migrate()
        try:
            airflow.start("api-server")
            airflow.wait_for_api()
            for program in ("dag-processor", "triggerer", "scheduler"):
                airflow.start(program)
            yield airflow
        finally:
            airflow.stop()

    def migrate(self) -> None:
        """Make the database."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.command("db", "migrate")

    def command(self, *arguments: str) -> str:
        """Run one command of Airflow to its end, and return its output."""
        done = subprocess.run(
            [self._programs / "airflow", *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, program: str) -> None:
        """Start one program of Airflow; it writes into `<program>.log`."""
        with (self.folder / f"{program}.log").open("ab") as output:
            self._processes[program] = children.start(
                [self._programs / "airflow", program], output=output, folder=self.folder, environment=self.environment
            )

    def wait_for_api(self) -> None:
        """Return when the API server answers: a task that starts before cannot say so, and fails."""

        def look() -> bool | None:
            with urlopen(f"{self.url}/api/v2/version", timeout=5) as answer:
                return answer.status == 200 or None

        until(f"an answer of {self.url}", look, 180, lambda: self.log("api-server")[-3000:])

    def stop(self) -> None:
        """End every program with all that it has started; the scheduler first, as it waits for its tasks."""
        for process in reversed(self._processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                children.kill_group(process.pid, signal.SIGKILL)
                process.wait()
        self._processes.clear()

    def log(self, program: str) -> str:
        """Return what a program has written until now."""
        return (self.folder / f"{program}.log").read_text(encoding="utf-8", errors="replace")

    def task_logs(self, dag_id: str) -> str:
        """Return Airflow's own logs of all tasks of a DAG."""
        files = sorted((self.folder / "logs" / f"dag_id={dag_id}").rglob("*.log"))
        return "".join(file.read_text(encoding="utf-8") for file in files)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask Airflow's own database, reading only: what it says is the ledger."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(query, values).fetchall()

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
