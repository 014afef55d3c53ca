"""What Airflow's own database says that has happened, in the words of the three stores."""

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
"""Airflow's last states, and what each is told as; `failed` stands for failure, timeout and lost."""

TOLD: Final = {"failure": "failed", "timeout": "failed", "lost": "failed"}
"""Statuses that Airflow does not tell apart."""

LIVES: Final = """
SELECT dag_id, run_id, task_id, map_index, try_number, state, max_tries, 0 FROM task_instance_history
UNION ALL SELECT dag_id, run_id, task_id, map_index, try_number, state, max_tries, 1 FROM task_instance
ORDER BY dag_id, run_id, task_id, map_index, try_number, 8
"""

WORDS: Final = """
SELECT dag_id, run_id, task_id, map_index, try_number, event FROM log
WHERE event IN ('running', 'success', 'failed', 'skipped', 'up_for_retry', 'deferred', 'up_for_reschedule')
ORDER BY id
"""
"""What the processes of tasks have said to Airflow, which writes it into its audit log."""

HAS_FORGOTTEN: Final = "timed_out"
"""The DAG of which the scheduler of Airflow 2 does not tell its listeners all tasks; see docs/airflow-reference.md."""

TERMINATED: Final = ("shapes", "terminated")
"""The task that SIGTERM ends, which Airflow 2 calls failed like any other."""


class Life(NamedTuple):
    """A task from its creation, its last try or its last clearing on; `word` is the last that a process said of it.

    Airflow 2 says less: nothing when a task is deferred, and `failed` of every try that has failed.
    """

    key: Key
    state: str | None
    max_tries: int
    word: str

    def is_last_of(self, following: Life | None) -> bool:
        """Tell whether a series of attempts ends with it: nothing follows it, or what a clearing has begun."""
        if following is None:
            return self.state in ENDS
        # A try that another one follows is kept as failed. A clearing grants the task all its tries anew.
        return self.state != "failed" or following.max_tries > self.max_tries


class Ledger:
    """All tries of all tasks in the database of `airflow`."""

    def __init__(self, airflow: Airflow) -> None:
        self._is_of_3 = isinstance(airflow, Airflow3)
        words: dict[Key, str] = {(row[0], row[1], row[2], row[3], row[4]): row[5] for row in airflow.rows(WORDS)}
        tasks: dict[tuple[object, ...], list[Life]] = defaultdict(list)
        for *key, state, max_tries, _ in airflow.rows(LIVES):
            own: Key = (key[0], key[1], key[2], key[3], key[4])
            if self._is_of_3 or own[0] != HAS_FORGOTTEN:
                tasks[own[:4]].append(Life(own, state, max_tries, words.get(own, "")))
        self.dag_ids = {str(dag_id) for dag_id, *_ in tasks}
        self._begun = {key for key in words if key[0] in self.dag_ids}
        self._series = [series for lives in tasks.values() for series in _series(lives)]

    @property
    def _ended(self) -> list[list[Life]]:
        return [series for series in self._series if series[-1].state in ENDS]

    def _status(self, last: Life) -> str:
        """Return how an end is told: as its process has said, or by its state; one without a word Airflow has ended."""
        if not self._is_of_3:
            return "cancelled" if (last.key[0], last.key[2]) == TERMINATED else ENDS[str(last.state)]
        return "cancelled" if last.word == "running" else ENDS.get(last.word) or ENDS[str(last.state)]

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
        idle = Counter(last.key for *before, last in self._ended if not last.word and not any(b.word for b in before))
        return Counter(self._begun) + idle


def _series(lives: list[Life]) -> Iterator[list[Life]]:
    """Yield the lives of one task in series: from its creation or a clearing to its end."""
    series: list[Life] = []
    for life, following in zip(lives, [*lives[1:], None], strict=True):
        series.append(life)
        if following is None or life.is_last_of(following):
            yield series
            series = []
