"""A run that another process has opened: described here, counted there."""

from __future__ import annotations

from typing import Any

from batchtel.base import run_environment
from batchtel.base.guard import warn_once
from batchtel.base.outcome import Outcome
from batchtel.base.start import Start
from batchtel.runs.job_run import JobRun
from batchtel.telemetry.providers import Telemetry


class JoinedRun(JobRun):
    """This process's part in an open run: records and steps count as ever; start, end and duration are not its own.

    It has no span: what happens here nests under the span of the process that opened the run. What only this process
    recorded of the run is reported at its end, by the event `batch.run.reported`.
    """

    _outer: run_environment.OpenRun | None = None

    @property
    def is_open(self) -> bool:
        """Whether the process that has opened the run has not ended it meanwhile."""
        return not self.closed and (self._outer is None or self._outer.is_open)

    def _start_span(self, process: Telemetry, parent: Any, start: Start | None) -> Any:
        from opentelemetry import trace

        return trace.get_current_span(parent)

    def _zeros(self) -> dict[str, Any]:
        return {}

    def _ends_as(self, status: str, reason: object) -> None:
        warn_once(f"joined:{status}", "the run was opened by another process; only that one can end it as %s", status)

    def _expect(self, started: float) -> None:
        """Do nothing: the process that opened the run watches its SLA, and reads the counts of this one."""
        self._outer = run_environment.inherited()
        if self._outer is not None:
            self.data.join(self._outer.tally)

    def _hand_over(self) -> None:
        """Do nothing: what this process starts finds the mark that this process has found."""

    def beat(self) -> None:
        """Ask how far this process has come; the heartbeat of the run is reported by the process that opened it."""
        self._ask_progress()

    def _announce(self, process: Telemetry, at: float) -> None:
        """Do nothing: the run was started elsewhere."""

    def _finish(self, process: Telemetry, outcome: Outcome, duration: float) -> None:
        self._ask_progress()
        self._measure_quality(process)
        report(self)


def report(run: JobRun) -> None:
    """Report what this process recorded of a run whose end another program reports."""
    process = run.recorder
    if process is not None:
        body = f"{run._title()} was reported on by one of its processes"
        attributes = {**run.identity, **run._result()}
        process.event("batch.run.reported", body, attributes, severity="INFO", context=run._context)
