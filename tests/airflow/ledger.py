"""What has happened by Airflow's own database, in the terms of the three stores."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.airflow.airflow import Airflow
from tests.airflow.lines import Airflow3

Key = tuple[str, str, str, int, int]
"""DAG id, run id, task id, map index and try number."""

ENDS: Final = {
    "success": "success",
    "failed": "failed",
    "skipped": "skipped",
    "upstream_failed": "skipped",
    "removed": "skipped",
}
"""Airflow's last states, and the status of each; `failed` stands for failure, timeout and lost."""

REPORTED: Final = {"failure": "failed", "timeout": "failed", "lost": "failed"}
"""Statuses that Airflow does not distinguish."""

GENERATIONS: Final = """
SELECT dag_id, run_id, task_id, map_index, try_number, state, max_tries, 0 FROM task_instance_history
UNION ALL SELECT dag_id, run_id, task_id, map_index, try_number, state, max_tries, 1 FROM task_instance
ORDER BY dag_id, run_id, task_id, map_index, try_number, 8
"""

EVENTS: Final = """
SELECT dag_id, run_id, task_id, map_index, try_number, event FROM log
WHERE event IN ('running', 'success', 'failed', 'skipped', 'up_for_retry', 'deferred', 'up_for_reschedule')
ORDER BY id
"""
"""What the processes of tasks have reported to Airflow, which writes it into its audit log."""

HAS_FORGOTTEN: Final = "timed_out"
"""The DAG of which the scheduler of Airflow 2 reports not all tasks to listeners; see docs/airflow-reference.md."""

TERMINATED: Final = ("shapes", "terminated")
"""The task that SIGTERM ends, which Airflow 2 calls failed like any other."""


class Generation(NamedTuple):
    """A task from its creation, its last try or its last clearing on; `event` is the last that a process reported.

    Airflow 2 reports less: nothing when a task is deferred, and `failed` of every try that has failed.
    """

    key: Key
    state: str | None
    max_tries: int
    event: str

    def is_last_of(self, following: Generation | None) -> bool:
        """Return whether a series of attempts ends with it: nothing follows it, or what a clearing has begun."""
        if following is None:
            return self.state in ENDS
        # A try that another one follows is kept as failed. A clearing grants the task all its tries again.
        return self.state != "failed" or following.max_tries > self.max_tries


class Ledger:
    """All tries of all tasks in the database of `airflow`."""

    def __init__(self, airflow: Airflow) -> None:
        self._is_of_3 = isinstance(airflow, Airflow3)
        events: dict[Key, str] = {(row[0], row[1], row[2], row[3], row[4]): row[5] for row in airflow.rows(EVENTS)}
        tasks: dict[tuple[object, ...], list[Generation]] = defaultdict(list)
        for *key, state, max_tries, _ in airflow.rows(GENERATIONS):
            own: Key = (key[0], key[1], key[2], key[3], key[4])
            if self._is_of_3 or own[0] != HAS_FORGOTTEN:
                tasks[own[:4]].append(Generation(own, state, max_tries, events.get(own, "")))
        self.dag_ids = {str(dag_id) for dag_id, *_ in tasks}
        self._begun = {key for key in events if key[0] in self.dag_ids}
        self._series = [series for generations in tasks.values() for series in _series(generations)]

    @property
    def _ended(self) -> list[list[Generation]]:
        return [series for series in self._series if series[-1].state in ENDS]

    def _status(self, last: Generation) -> str:
        """Return the status of an end: as its process reported, or by its state; without one Airflow has ended it."""
        if not self._is_of_3:
            return "cancelled" if (last.key[0], last.key[2]) == TERMINATED else ENDS[str(last.state)]
        return "cancelled" if last.event == "running" else ENDS.get(last.event) or ENDS[str(last.state)]

    def started(self) -> Counter[tuple[str, ...]]:
        """Return how many series of attempts have begun, by DAG and task."""
        return Counter((series[0].key[0], series[0].key[2]) for series in self._ended)

    def completions(self) -> Counter[tuple[str, ...]]:
        """Return how many series of attempts have ended, by DAG, task and status."""
        return Counter((last.key[0], last.key[2], self._status(last)) for *_, last in self._ended)

    def finished(self) -> Counter[Key]:
        """Return the keys of the attempts that have ended a series."""
        return Counter(last.key for *_, last in self._ended)

    def spans(self) -> Counter[Key]:
        """Return the keys of the attempts that a process has begun, and of tasks that ended without any."""
        idle = Counter(last.key for *before, last in self._ended if not last.event and not any(b.event for b in before))
        return Counter(self._begun) + idle


def _series(generations: list[Generation]) -> Iterator[list[Generation]]:
    """Yield the generations of one task in series: from its creation or a clearing to its end."""
    series: list[Generation] = []
    for generation, following in zip(generations, [*generations[1:], None], strict=True):
        series.append(generation)
        if following is None or generation.is_last_of(following):
            yield series
            series = []
