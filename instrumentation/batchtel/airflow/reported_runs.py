"""Deduplicate hook calls: which starts and ends of DAG runs this process has reported.

Airflow calls the hooks of DAG runs before it has committed what they report. When its database rejects that, for a
deadlock or a connection that is lost, the scheduler decides the same again and calls them again.
"""

from __future__ import annotations

from typing import Final

from batchtel.airflow.facts import DagRun

REMEMBERED: Final = 10_000
"""Starts and ends that are remembered, some 3 MB: they are reported again within seconds or not at all."""

_REPORTED: Final[dict[tuple[str, str, float | None, bool], None]] = {}


def first_time(run: DagRun) -> bool:
    """Return whether this start or end of `run` is new; a cleared run has another `queued_at`, and counts as new."""
    key = (run.dag_id, run.run_id, run.queued_at, run.state == "running")
    if key in _REPORTED:
        return False
    _REPORTED[key] = None
    if len(_REPORTED) > REMEMBERED:
        del _REPORTED[next(iter(_REPORTED))]
    return True
