"""One execution of a step of a run: what was recorded of it in this process."""

from __future__ import annotations

from typing import Any, Final

from batchtel.base import lock
from batchtel.base.identity import clean_name
from batchtel.base.outcome import Outcome
from batchtel.base.values import count_of
from batchtel.runs.attempt import Attempt
from batchtel.runs.description import Description
from batchtel.runs.recorder import Recorder
from batchtel.runs.reporting import WHOLE, Reporting
from batchtel.runs.run import Run

NAMES_OF_ETL: Final = {
    "extract": {"read": "extracted"},
    "transform": {"written": "transformed", "failed": "transform_errors"},
    "load": {"written": "loaded"},
}
"""Name of the step -> counter -> what people who extract, transform and load call it; an attribute more."""


class Step:
    """One execution of a step of the run `job`, of which this process reports what `reporting` names."""

    def __init__(self, name: str, job: Run, of_several: Attempt | None = None, reporting: Reporting = WHOLE) -> None:
        self.job = job
        self.reporting = reporting
        self.description = Description()
        self.handle: Any = None
        self._counts: dict[str, int] = {}
        called = clean_name(name, "step")
        identity = {**job.identity, "batch.step.name": called.whole}
        if of_several is not None:
            identity["batch.step.attempt"] = of_several.number
        labels = {**job.labels, "step_name": called.label}
        self.recorder = Recorder("step", called.whole, labels, identity, of_several)

    @property
    def title(self) -> str:
        """The step in a sentence."""
        return f"step {self.recorder.name} of {self.job.name}, run {self.job.run_id},"

    def count(self, **records: object) -> None:
        """Count records `read`, `written` and `failed`; None is not given."""
        for counter, given in records.items():
            amount = None if given is None else count_of(given, counter)
            if amount is not None:
                self.job.data.count_in_step(amount if counter == "failed" else 0)
                with lock.shared():
                    self._counts[counter] = self._counts.get(counter, 0) + amount
            if amount:
                self.recorder.add(f"records.{counter}", amount)

    def count_observed(self, **records: int | None) -> None:
        """Count records that an integration has found, for the counters that the step's code has not used."""
        self.count(**{counter: found for counter, found in records.items() if counter not in self._counts})

    def zero(self) -> None:
        """Let the series of its counters exist before the first increment."""
        self.recorder.zero({}, is_here=True)

    def report_start(self) -> None:
        """Report the start: counter and state."""
        self.recorder.start()

    def beat(self) -> None:
        """Do nothing: a step has no progress and no SLA."""

    def report_end(self, outcome: Outcome, duration: float) -> None:
        """Report the end: metrics, event and span."""
        # Two values: steps are many, and each value is a histogram more.
        status = "success" if outcome.status in ("success", "skipped") else "failure"
        self.recorder.complete(outcome, duration, {**self.recorder.labels, "status": status})
        self.recorder.finish(self.title, outcome, duration, self.result())

    def report_part(self) -> None:
        """Report what this process has recorded of a step whose end another process reports."""
        self.recorder.report_part(self.title, self.result())

    def has_part(self) -> bool:
        """Whether anything was recorded in this process."""
        return bool(self.result())

    def result(self) -> dict[str, Any]:
        """Return the attributes of what it did."""
        also = NAMES_OF_ETL.get(self.recorder.name, {})
        counts = {**self._counts, **{also[name]: count for name, count in self._counts.items() if name in also}}
        return {**self.description.attributes(), **{f"batch.records.{name}": count for name, count in counts.items()}}
