"""DAG runs in the helper of a scheduler: their starts and ends, and between these their limits of time and what waits.

Runs may end by another scheduler, of which this helper gets no message. So before a passed limit is reported, Airflow's
database is asked whether the run still lasts.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from batchtel.airflow import outcomes, task_data, task_step
from batchtel.airflow.dag_run import ReportedRun
from batchtel.airflow.facts import DagRun, Task
from batchtel.base.guard import LOGGER, described, harmless, warn_once
from batchtel.base.identity import clean_name
from batchtel.runs.run import Run
from batchtel.telemetry.process import telemetry

INTERVAL: Final = 15.0
"""Seconds between two looks, those of a heartbeat."""

LIMIT: Final = 10_000
"""Open runs that are watched; of more the first are judged when they end."""

WAITING_RUNS: Final = "SELECT dag_id, MAX(queued_at) FROM dag_run WHERE state = 'queued' GROUP BY dag_id"

WAITING_TASKS: Final = (
    "SELECT dag_id, task_id, state, MAX(queued_dttm), MAX(updated_at) FROM task_instance "
    "WHERE state IN ('queued', 'scheduled') GROUP BY dag_id, task_id, state"
)

IS_OPEN: Final = "SELECT 1 FROM dag_run WHERE dag_id = :dag_id AND run_id = :run_id AND state IN ('running', 'queued')"

Key = tuple[str, str]


class Waiting(NamedTuple):
    """A DAG of which a run waits, or a task of it, with an empty `task_id` for the run.

    `since` is when the last one of them entered the `state`, Unix time.
    """

    dag_id: str
    task_id: str
    state: str
    since: float


class Database:
    """Airflow's database at `url`, read through a connection of its own: what waits, and which runs still last.

    SQLAlchemy is Airflow's; Airflow itself is not imported, which would need the memory of a scheduler.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: Any = None

    @property
    def _engine(self) -> Any:
        if self._made is None:
            from sqlalchemy import create_engine
            from sqlalchemy.pool import NullPool

            self._made = create_engine(self._url, poolclass=NullPool)
        return self._made

    def waiting(self) -> Iterator[Waiting]:
        """Yield what is queued or scheduled, once a DAG and once a task and state; raises what SQLAlchemy raises."""
        for dag_id, since in self._rows(WAITING_RUNS):
            if since is not None:
                yield Waiting(dag_id, "", "queued", _unix(since))
        for dag_id, task_id, state, queued, changed in self._rows(WAITING_TASKS):
            since = (queued if state == "queued" else None) or changed
            if since is not None:
                yield Waiting(dag_id, task_id, state, _unix(since))

    def is_open(self, dag_id: str, run_id: str) -> bool:
        """Return whether a DAG run has not ended; raises what SQLAlchemy raises."""
        return bool(self._rows(IS_OPEN, dag_id=dag_id, run_id=run_id))

    def _rows(self, query: str, **values: str) -> list[Any]:
        from sqlalchemy import text

        with self._engine.connect() as connection:
            return list(connection.execute(text(query), values).fetchall())


def _unix(moment: Any) -> float:
    """Return a time as a database gives it, with a zone or in UTC, as text in SQLite."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return float((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp())


class OpenRuns:
    """Report starts and ends of DAG runs, and between them what open ones owe: one thread looks for that.

    It begins to look when a message has brought the address of Airflow's database.
    """

    def __init__(self) -> None:
        self._began = time.time()
        self._lock = threading.Lock()
        self._runs: dict[Key, ReportedRun] = {}
        self._labels: dict[str, dict[str, str]] = {}
        self._database: Database | None = None

    def use(self, url: str) -> None:
        """Use Airflow's database at `url`, and begin to look."""
        if url and self._database is None:
            self._database = Database(url)
            threading.Thread(target=self._look_always, name="batchtel-airflow", daemon=True).start()

    def report(self, content: bytes) -> None:
        """Report what a message of the scheduler holds, JSON."""
        self._report(content)
        process = telemetry()
        if process is not None:
            process.send_soon()

    @harmless(None)
    def _report(self, content: bytes) -> None:
        message: dict[str, Any] = json.loads(content)
        if message["dropped"]:
            dropped = "%d messages of DAG runs were dropped: the helper could not keep up"
            LOGGER.warning(dropped, message["dropped"])
        for fields in message.get("tasks", ()):
            task, reason = Task(**fields), message["reason"]
            outcome = outcomes.lost(task, reason) if message["lost"] else outcomes.without_process(task, reason)
            task_step.report(task, outcome, started=message["started"], spanned=message["spanned"])
        self.use(message.get("database", ""))
        if "dag_run" in message:
            self._report_run(DagRun(**message["dag_run"]), message["message"], message.get("begun"))

    def _report_run(self, dag_run: DagRun, message: str, begun: int | None) -> None:
        """Report a run; `begun` is how many of its tasks a process has begun, None if that is unknown."""
        if dag_run.state == "running" or dag_run.started_at is None:
            run = ReportedRun(dag_run)
            run.report_start()
            if dag_run.state == "running":
                self.started(run, dag_run)
        if dag_run.state != "running":
            run = self.ended(dag_run)
            data = task_data.of_run(dag_run, begun) if begun is not None and run.job.sla.asks_for_data else None
            run.report_end(outcomes.of_dag_run(dag_run.state, message), data)
            task_data.clean()

    def started(self, run: ReportedRun, dag_run: DagRun) -> None:
        """Watch a run that has started."""
        self._labels[dag_run.dag_id] = run.job.labels
        if run.job.sla.has_limits_of_time:
            with self._lock:
                self._runs[dag_run.dag_id, dag_run.run_id] = run
                if len(self._runs) > LIMIT:
                    del self._runs[next(iter(self._runs))]

    def ended(self, dag_run: DagRun) -> ReportedRun:
        """Return a run that has ended, with what it owes and has violated until now."""
        with self._lock:
            watched = self._runs.pop((dag_run.dag_id, dag_run.run_id), None)
        # One that has started since this helper has, and is not watched, has started by another scheduler.
        elsewhere = watched is None and (dag_run.started_at or 0.0) > self._began
        return ReportedRun(dag_run, watched=watched, watched_elsewhere=elsewhere)

    def _look_always(self) -> None:
        while True:
            time.sleep(INTERVAL)
            self.look()

    @harmless(None)
    def look(self) -> None:
        """Report the limits of time that runs have newly passed, and the states of what waits."""
        with self._lock:
            late = [key for key, run in self._runs.items() if run.job.sla.is_late]
        if self._database is None:
            return
        try:
            still = {key: self._database.is_open(*key) for key in late}
            waiting = list(self._database.waiting())
        except Exception as error:
            warn_once("airflow:database", UNREAD, described(error))
            return
        for key, is_open in still.items():
            with self._lock:
                run = self._runs.get(key) if is_open else self._runs.pop(key, None)
                if run is not None and is_open:
                    run.report_limits()
        for each in waiting:
            self._report_waiting(each)
        process = telemetry()
        if process is not None and (late or waiting):
            process.send_soon()

    def _report_waiting(self, waiting: Waiting) -> None:
        process = telemetry()
        if process is None:
            return
        if waiting.dag_id not in self._labels:
            self._labels[waiting.dag_id] = Run(waiting.dag_id).labels
        labels, level = {**self._labels[waiting.dag_id], "state": waiting.state}, "job"
        if waiting.task_id:
            labels, level = {**labels, "step_name": clean_name(waiting.task_id, "step").label}, "step"
        process.meter.reach(f"batch.{level}.state.timestamp", waiting.since, labels)


UNREAD: Final = (
    "the helper of batchtel cannot read Airflow's database: limits of time are checked when runs have ended, and what "
    "waits is not reported (%s)"
)
