"""A try of a task that another process reports, because its own has gone or never existed."""

from __future__ import annotations

import time
from typing import Final, Literal

from batchtel.airflow.facts import Task
from batchtel.airflow.task_step import TaskStep
from batchtel.base.outcome import Outcome
from batchtel.runs.reporting import WHOLE

FLUSH_TIMEOUT: Final = 10.0
"""Seconds that a process which reports others may wait for the collector at its end: no process waits for it."""


def report(task: Task, outcome: Outcome, *, started: bool = False, spanned: bool = False) -> None:
    """Report the end of one try of a task that ended elsewhere, and what has not been reported before.

    `started` is whether its start has been reported, by its process or by an earlier attempt; `spanned` is the same
    of its span. This process cannot see whether it runs, so it has no heartbeat.
    """
    span: Literal["own", "elsewhere"] = "elsewhere" if spanned else "own"
    reported = TaskStep(task, WHOLE._replace(start=not started, heartbeat=False, span=span))
    reported.begin(int((task.started_at or time.time()) * 1e9))
    reported.step.close(outcome)
    reported.part.close(Outcome("success"))
