"""A run, its attempts and steps, as their log records have them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from batchtel.base.identity import bounded

STARTED: Final = "batch.run.started"
FINISHED: Final = "batch.run.finished"
ATTEMPT_FAILED: Final = "batch.attempt.failed"
REPORTED: Final = "batch.run.reported"
STEP_FINISHED: Final = "batch.step.finished"
OF_RUNS: Final = (STARTED, FINISHED, ATTEMPT_FAILED, REPORTED)
EVENTS: Final = (*OF_RUNS, STEP_FINISHED)

RUNNING: Final = "running"
LOST: Final = "lost"
OPEN: Final = "open"
"""Statuses of an attempt without a recorded end: it is live, it is not, or Prometheus does not answer."""


class Identity(NamedTuple):
    """What distinguishes a run: the same id in two jobs, as Airflow gives it, is two runs."""

    namespace: str
    service: str
    environment: str
    job: str
    run_id: str

    @property
    def label(self) -> str:
        """The service as the label `job` of metrics has it."""
        return f"{self.namespace}/{self.service}" if self.namespace else self.service

    @property
    def job_label(self) -> str:
        """The job as the label `job_name` of metrics has it: a long name is cut there."""
        return bounded(self.job)

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Identity:
        """Return the identity of the run that a log record belongs to."""
        keys = ("service.namespace", "service.name", "deployment.environment.name", "batch.job.name", "batch.run.id")
        return cls(*(fields.get(key, "") for key in keys))


@dataclass(frozen=True)
class Outcome:
    """What an attempt or a step has in common; `fields` are those of the record of its end, else of its start.

    Attributes:
        status: one of `signals.STATUSES`, or RUNNING, LOST or OPEN.
        started: Unix time in seconds.
        duration: seconds; None without an end.
        fields: all attributes by their names, as text.
    """

    status: str
    started: float
    duration: float | None
    fields: Mapping[str, str]

    def text(self, key: str) -> str:
        """Return an attribute, "" if it was not recorded."""
        return self.fields.get(key, "")

    def number(self, key: str) -> float | None:
        """Return an attribute as a number; None if it was not recorded, or is none."""
        try:
            number = float(self.fields[key])
        except (KeyError, ValueError):
            return None
        return number if math.isfinite(number) else None

    def count(self, key: str) -> int | None:
        """Return an attribute as a whole number; None if it was not recorded, or is none."""
        number = self.number(key)
        return None if number is None else int(number)

    def texts(self, key: str) -> list[str]:
        """Return an attribute that is a list."""
        text = self.fields.get(key, "")
        try:
            content = json.loads(text) if text else []
        except (ValueError, RecursionError):
            content = text
        return [str(one) for one in content] if isinstance(content, list) else [str(content)]

    @property
    def error(self) -> str:
        """Class and first line of the message of its error, or the exit code of a command; "" if there was none."""
        kind, message = self.text("error.type"), self.text("exception.message").strip().partition("\n")[0]
        reason = message or self.text("batch.status.reason")
        if not reason and kind in ("", "unknown") and self.count("process.exit.code"):
            return f"exit code {self.count('process.exit.code')}"
        return f"{kind}: {reason}" if kind and reason else kind or reason

    @property
    def end(self) -> float | None:
        """Unix time in seconds; None without an end."""
        return None if self.duration is None else self.started + self.duration


@dataclass(frozen=True)
class Attempt(Outcome):
    """One attempt of a run; `attempt` is 1 for the first."""

    attempt: int = 1


@dataclass(frozen=True)
class Step(Outcome):
    """One execution of a step within an attempt of its run."""

    name: str = ""
    attempt: int = 1


@dataclass(frozen=True)
class Run:
    """A run: its attempts by number, at least one, and its steps by start, as far as they were looked up.

    Attributes:
        identity: what distinguishes it.
        attempts: one for each number; of executions with one number, as where no retrier numbers them, the last.
        steps: executions of steps.
        executions: how often it was started.
    """

    identity: Identity
    attempts: tuple[Attempt, ...]
    steps: tuple[Step, ...] = ()
    executions: int = 1

    @property
    def last(self) -> Attempt:
        """The attempt that decides."""
        return self.attempts[-1]

    @property
    def tries(self) -> int:
        """How many attempts there were: the number of the last one, or the executions where all have one number."""
        return max(self.last.attempt, self.executions)

    @property
    def status(self) -> str:
        """Status of the last attempt."""
        return self.last.status

    @property
    def started(self) -> float:
        """When its first attempt started, Unix time in seconds."""
        return min(attempt.started for attempt in self.attempts)

    @property
    def duration(self) -> float | None:
        """Seconds from the first start to the last end; None while it has no end."""
        if len(self.attempts) == 1 or self.last.end is None:
            return self.last.duration
        return max(attempt.end or 0.0 for attempt in self.attempts) - self.started

    def errors(self) -> list[tuple[str, str]]:
        """Return what failed and its stack trace, of all attempts and steps; each trace once."""
        found: dict[str, str] = {}
        for attempt in self.attempts:
            found.setdefault(attempt.text("exception.stacktrace"), f"attempt {attempt.attempt}")
        for step in self.steps:
            tries = f", try {step.text('batch.step.attempt')}" if step.text("batch.step.attempt") else ""
            of_run = f" of attempt {step.attempt}" if len(self.attempts) > 1 else ""
            found.setdefault(step.text("exception.stacktrace"), f"step {step.name}{of_run}{tries}")
        return [(what, trace) for trace, what in found.items() if trace]

    def document(self) -> dict[str, Any]:
        """Return it as one JSON object; what was not recorded is null."""
        one = self.identity
        return {
            "job": one.job,
            "run_id": one.run_id,
            "service": one.label,
            "environment": one.environment or None,
            "status": self.status,
            "started": moment(self.started),
            "duration": self.duration,
            "records": self.last.count("batch.records.processed"),
            "records_failed": self.last.count("batch.records.failed"),
            "quality": self.last.number("batch.data_quality.score"),
            "attempts": self.tries,
            "error": self.last.error or None,
            "trace_id": self.last.text("trace_id") or None,
        }


def moment(seconds: float) -> str:
    """Return a Unix time in ISO 8601, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
