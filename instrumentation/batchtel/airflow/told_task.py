"""A try of a task that is told by another process than its own: it had none, or has it no longer."""

from __future__ import annotations

import time

from batchtel.airflow.task_step import TaskStep
from batchtel.outcome import Outcome
from batchtel.telemetry import Telemetry


class ToldTask(TaskStep):
    """One try of a task that ended elsewhere; nobody here knows whether it lives, so it has no heartbeat."""

    _starting = True

    def tell(self, outcome: Outcome) -> None:
        """Tell its start and its end."""
        self.part.begin()
        started = self.task.started_at or time.time()
        self.begin(self.start_at(int(started * 1e9)))
        self.close(outcome)
        self.part.close(Outcome("success"))

    def tell_end(self, outcome: Outcome) -> None:
        """Tell its end only: its own process has told the start."""
        self._starting = False
        self.tell(outcome)

    def beat(self) -> None:
        """Nothing."""

    def _announce(self, process: Telemetry, at: float) -> None:
        if self._starting:
            super()._announce(process, at)
