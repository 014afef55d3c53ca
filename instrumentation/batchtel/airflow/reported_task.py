"""A try of a task that another process reports, because its own has gone or never existed."""

from __future__ import annotations

import time
from typing import Any, Final

from batchtel.airflow import ids
from batchtel.airflow.facts import Task
from batchtel.airflow.task_step import TaskStep
from batchtel.base.outcome import Outcome
from batchtel.base.start import Start
from batchtel.runs import dag_run_ids
from batchtel.telemetry.providers import Telemetry

FLUSH_TIMEOUT: Final = 10.0
"""Seconds that a process which reports others may wait for the collector at its end: no process waits for it."""


class ReportedTask(TaskStep):
    """One try of a task that ended elsewhere; this process cannot see whether it runs, so it has no heartbeat.

    `started` is whether its start has been reported, by its process or by an earlier attempt; `spanned` is the same
    of its span.
    """

    def __init__(self, task: Task, *, started: bool = False, spanned: bool = False) -> None:
        super().__init__(task)
        self._was_started = started
        self._was_spanned = spanned

    def report(self, outcome: Outcome) -> None:
        """Report its end, and what has not been reported before."""
        self.part.begin()
        started = self.task.started_at or time.time()
        self.begin(self.start_at(int(started * 1e9)))
        self.close(outcome)
        self.part.close(Outcome("success"))

    def beat(self) -> None:
        """Do nothing: the attempt runs elsewhere."""

    def _announce(self, process: Telemetry, at: float) -> None:
        if not self._was_started:
            super()._announce(process, at)

    def _start_span(self, process: Telemetry, parent: Any, start: Start | None) -> Any:
        if self._was_spanned:
            return dag_run_ids.unrecorded(ids.of_task(self.task))
        return super()._start_span(process, parent, start)
