"""The open DAG runs in the helper of a scheduler: their limits of time, and what is pending of them.

Runs may end by another scheduler, of which this helper gets no message. So before a passed limit is reported, Airflow's
database is asked whether the run still lasts.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from batchtel.airflow.dag_run import ReportedRun
from batchtel.airflow.database import Database, Waiting
from batchtel.airflow.facts import DagRun
from batchtel.base.guard import described, harmless, warn_once
from batchtel.base.identity import clean_name
from batchtel.runs.run import Run
from batchtel.telemetry.process import telemetry

INTERVAL: Final = 15.0
"""Seconds between two looks, those of a heartbeat."""

LIMIT: Final = 10_000
"""Open runs that are watched; of more the first are judged when they end."""

Key = tuple[str, str]


class OpenRuns:
    """Open DAG runs that owe something; one thread looks after them once it has a database."""

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
            self._report(each)
        process = telemetry()
        if process is not None and (late or waiting):
            process.send_soon()

    def _report(self, waiting: Waiting) -> None:
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
