"""Which starts and ends of DAG runs this process has told.

Airflow calls the hooks of DAG runs before it has committed what they tell. When its database does not take that, for a
deadlock or a connection that is lost, the scheduler decides the same again and calls them again.
"""

from __future__ import annotations

from typing import Final

from batchtel.airflow.facts import DagRun

REMEMBERED: Final = 10_000
"""Starts and ends that are remembered, some 3 MB: they are told again within seconds or not at all."""

_TOLD: Final[dict[tuple[str, str, float | None, bool], None]] = {}


def first_time(run: DagRun) -> bool:
    """Return whether this start or end of `run` is new; one that was cleared is queued anew, and so is new again."""
    key = (run.dag_id, run.run_id, run.queued_at, run.state == "running")
    if key in _TOLD:
        return False
    _TOLD[key] = None
    if len(_TOLD) > REMEMBERED:
        del _TOLD[next(iter(_TOLD))]
    return True
