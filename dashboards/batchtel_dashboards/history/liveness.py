"""Whether a run without a recorded end still runs: by the heartbeats of its job, since no metric has a run id."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from batchtel_dashboards import queries, rules
from batchtel_dashboards.engines import Engine
from batchtel_dashboards.history.run import LOST, OPEN, RUNNING, Run
from batchtel_dashboards.stores import Prometheus

_LABELS: Final = ("job", "deployment_environment_name", "job_name")

Live = Mapping[tuple[str, ...], float]
"""Service, environment and name of a job -> how many of its runs are live."""


def live(prometheus: Prometheus, engine: Engine) -> Live:
    """Return how many runs of each job are live; jobs without heartbeats are not in it.

    Raises:
        StoreError: Prometheus does not answer.
    """
    query = f"sum by ({', '.join(_LABELS)}) ({queries.live('job', engine=engine)})"
    return {tuple(row.labels.get(key, "") for key in _LABELS): row.value for row in prometheus.query(query)}


def judged(runs: Iterable[Run], alive: Live, now: float | None = None) -> list[Run]:
    """Return the runs, where each that is open is running or lost.

    Of the open runs of a job as many of the newest are running as its heartbeats count; a start of the last 2 minutes
    is not in them yet. A job without heartbeats, such as a DAG, is running: who watches it reports a loss.
    """
    now = time.time() if now is None else now
    judged_runs, seen = [], defaultdict[tuple[str, ...], int](int)
    for run in sorted(runs, key=lambda one: one.last.started, reverse=True):
        if run.status == OPEN:
            who = (run.identity.label, run.identity.environment, run.identity.job_label)
            counted = alive.get(who, float("inf"))
            # The heartbeats of a young run do not count yet, so it uses none of those that do.
            young = abs(now - run.last.started) < rules.LIVE
            runs_still = young or seen[who] < counted
            seen[who] += not young
            run = _with_status(run, RUNNING if runs_still else LOST)
        judged_runs.append(run)
    return sorted(judged_runs, key=lambda one: one.started, reverse=True)


def _with_status(run: Run, status: str) -> Run:
    return dataclasses.replace(run, attempts=(*run.attempts[:-1], dataclasses.replace(run.last, status=status)))
