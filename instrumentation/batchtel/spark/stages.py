"""Jobs and stages as Spark's REST API describes them, and what they add up to.

https://spark.apache.org/docs/latest/monitoring.html#rest-api
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

COSTS: Final = {
    "spark.tasks.completed": "numCompleteTasks",
    "spark.tasks.failed": "numFailedTasks",
    "spark.tasks.killed": "numKilledTasks",
    "spark.executor.run_time": "executorRunTime",
    "spark.shuffle.read.bytes": "shuffleReadBytes",
    "spark.shuffle.read.records": "shuffleReadRecords",
    "spark.shuffle.write.bytes": "shuffleWriteBytes",
    "spark.shuffle.write.records": "shuffleWriteRecords",
    "spark.spill.memory.bytes": "memoryBytesSpilled",
    "spark.spill.disk.bytes": "diskBytesSpilled",
}
"""Attribute -> field of a stage, which has what every attempt of a task has cost."""

DATA: Final = {
    "spark.input.records": ("inputRecords", "inputMetrics", "recordsRead"),
    "spark.input.bytes": ("inputBytes", "inputMetrics", "bytesRead"),
    "spark.output.records": ("outputRecords", "outputMetrics", "recordsWritten"),
    "spark.output.bytes": ("outputBytes", "outputMetrics", "bytesWritten"),
}
"""Attribute -> field of a stage, and group and field of a task: only attempts that have succeeded count."""

TEXT_LENGTH: Final = 1_024
"""Characters of a name or a description that are kept."""

REASON_LENGTH: Final = 8_192
"""Characters of a reason that are kept: Spark 3.5 has the message behind its stack trace."""


class Job(NamedTuple):
    """One job of Spark, which an action has run; times are Unix times in ns, None where it has none yet."""

    id: int
    name: str
    status: str
    stages: tuple[int, ...]
    tags: frozenset[str]
    submitted: int | None
    completed: int | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the job of a document."""
        return cls(
            document["jobId"],
            _text(document.get("description") or document.get("name")),
            document["status"],
            tuple(sorted(document["stageIds"])),
            frozenset(document.get("jobTags", ())),
            _time(document.get("submissionTime")),
            _time(document.get("completionTime")),
        )

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in ("SUCCEEDED", "FAILED")

    def attributes(self) -> dict[str, Any]:
        """Return what its span carries."""
        return {"spark.job.id": self.id, "spark.job.name": self.name, "spark.job.status": self.status}


class Stage(NamedTuple):
    """One attempt of a stage. `counts` are by attribute; those of DATA are missing where they cannot be exact.

    `lost` are the attempts of tasks that have not succeeded: failed, killed, and those that run.
    """

    id: int
    attempt: int
    name: str
    status: str
    reason: str
    tasks: int
    lost: int
    submitted: int | None
    completed: int | None
    counts: dict[str, int]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the stage of a document; the tasks in it, if there are any, are those that have not succeeded."""
        lost = document["numFailedTasks"] + document["numKilledTasks"] + document["numActiveTasks"]
        read, status = document.get("tasks") or {}, document["status"]
        counts = {attribute: int(document.get(field, 0)) for attribute, field in COSTS.items()}
        if status in ("COMPLETE", "FAILED"):
            # Those that still run are killed, such as the slower one of two speculative attempts.
            counts["spark.tasks.killed"] += document["numActiveTasks"]
        # A busy driver drops events (`spark.scheduler.listenerbus.eventqueue.capacity`), with what they count.
        is_whole = status != "COMPLETE" or document["numCompleteTasks"] >= document["numTasks"]
        if is_whole and len(read) >= lost:
            for attribute, (field, group, metric) in DATA.items():
                failed = sum(_metric(task, group, metric) for task in read.values())
                counts[attribute] = max(0, int(document.get(field, 0)) - failed)
        return cls(
            document["stageId"],
            document["attemptId"],
            _text(document.get("description") or document.get("name")),
            status,
            str(document.get("failureReason") or "")[:REASON_LENGTH],
            document["numTasks"],
            lost,
            _time(document.get("submissionTime")),
            _time(document.get("completionTime")),
            counts,
        )

    def attributes(self) -> dict[str, Any]:
        """Return what its span carries."""
        return {
            "spark.stage.id": self.id,
            "spark.stage.attempt": self.attempt,
            "spark.stage.name": self.name,
            "spark.stage.status": self.status,
            **({"spark.stage.failure": self.reason} if self.reason else {}),
            "spark.tasks": self.tasks,
            **self.counts,
        }


class Total:
    """What jobs and stages add up to, for the step or the run that they belong to."""

    def __init__(self) -> None:
        self._counts = {"spark.jobs": 0, "spark.jobs.failed": 0, "spark.stages": 0, "spark.stages.failed": 0}
        self._is_exact = True
        self._is_complete = True

    @property
    def names(self) -> Collection[str]:
        """The attributes that there may be."""
        return self._counts.keys()

    def add_job(self, job: Job) -> None:
        """Add a job, without its stages."""
        self._counts["spark.jobs"] += 1
        self._counts["spark.jobs.failed"] += job.status == "FAILED"

    def add_stage(self, attempts: list[Stage]) -> None:
        """Add a stage that has run, all its attempts.

        Tasks of several attempts of a stage may have read the same records, so then there is no exact count of these.
        """
        self._counts["spark.stages"] += 1
        self._counts["spark.stages.failed"] += attempts[-1].status == "FAILED"
        self._is_exact &= len(attempts) == 1 and DATA.keys() <= attempts[0].counts.keys()
        for stage in attempts:
            for attribute, count in stage.counts.items():
                self._counts[attribute] = self._counts.get(attribute, 0) + count

    def miss(self) -> None:
        """Note that jobs or stages are missing: a part of the counts is none."""
        self._is_complete = False

    def attributes(self) -> dict[str, int]:
        """Return the attributes of the step or the run, none without jobs; records and bytes only if exact."""
        if not self._counts["spark.jobs"] or not self._is_complete:
            return {}
        return {name: count for name, count in self._counts.items() if self._is_exact or name not in DATA}


def _metric(task: Mapping[str, Any], group: str, metric: str) -> int:
    return int(((task.get("taskMetrics") or {}).get(group) or {}).get(metric, 0))


def _text(given: object) -> str:
    return str(given or "")[:TEXT_LENGTH]


def _time(text: str | None) -> int | None:
    """Return the Unix time, in ns, of such a text: 2026-01-31T22:30:00.123GMT."""
    return int(datetime.fromisoformat(text.replace("GMT", "+00:00")).timestamp() * 1_000) * 1_000_000 if text else None
