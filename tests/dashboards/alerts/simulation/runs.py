"""One run of a simulated job, and what it adds to the series of the job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

SERVICE: Final = {"job": "shop/etl", "deployment_environment_name": "prod"}
"""The labels that all simulated jobs have."""

BEAT: Final = 15
"""Seconds between two heartbeats."""

WAITS: Final = ("60", "900", "1800", "+Inf")
"""Bounds of the histogram of waits that the rules read, in seconds."""


@dataclass
class Run:
    """A run; times are Unix seconds.

    Attributes:
        start: when it started.
        end: when it ended, or was killed.
        status: how it ended; empty for a process that was killed.
        stalls: from when on it makes no progress; None if it goes on to its end.
        records: how many it processed, all reported at its end, progress before.
        failed: how many failed.
        retries: attempts after the first.
        wait: seconds between queued and started.
        score: quality of the data; None if it reports none.
        data: Unix time of the newest data; None if it reports none.
        violations: types of violations with the time at which they were reported.
    """

    start: float
    end: float
    status: str = "success"
    stalls: float | None = None
    records: int = 0
    failed: int = 0
    retries: int = 0
    wait: float = 0.0
    score: float | None = None
    data: float | None = None
    violations: Mapping[str, float] = field(default_factory=dict)


Events = dict[str, list[tuple[float, float]]]
"""By series: times, and what is added then, or for a maximum its value."""


def events(job: str, runs: Iterable[Run], *, heartbeats: bool) -> Events:
    """Return what the runs of a job add to each of its series."""
    found: Events = defaultdict(list)

    def add(name: str, time: float, value: float, **labels: str) -> None:
        found[_series(name, job, labels)].append((time, value))

    for run in runs:
        add("runs_started_total", run.start, 1)
        add("state_timestamp_seconds", run.start, run.start, state="running")
        for bound in WAITS:
            add("queue_wait_seconds_bucket", run.start, run.wait <= float(bound.replace("+", "")), le=bound)
        if heartbeats:
            _beat(add, run)
        if run.retries:
            add("retries_total", run.start + 1, run.retries)
        for kind, time in run.violations.items():
            add("sla_violations_total", time, 1, violation_type=kind)
        if run.status:
            _end(add, run)
    return found


def _beat(add, run: Run) -> None:  # type: ignore[no-untyped-def]
    time, stalls = run.start + BEAT, run.end if run.stalls is None else run.stalls
    while time <= run.end:
        add("alive_time_seconds_total", time, BEAT)
        if run.records:
            add("progress_total", time, 10 if time <= stalls else 0)
        time += BEAT


def _end(add, run: Run) -> None:  # type: ignore[no-untyped-def]
    add("completions_total", run.end, 1, status=run.status)
    add("state_timestamp_seconds", run.end, run.end, state=run.status)
    add("duration_seconds_sum", run.end, run.end - run.start, status=run.status)
    add("duration_seconds_count", run.end, 1, status=run.status)
    add("records_processed_total", run.end, run.records)
    if run.failed:
        add("records_failed_total", run.end, run.failed)
    if run.score is not None:
        add("data_quality_score_sum", run.end, run.score)
        add("data_quality_score_count", run.end, 1)
    if run.data is not None:
        add("data_timestamp_seconds", run.end, run.data)


def _series(name: str, job: str, labels: Mapping[str, str]) -> str:
    every = {**SERVICE, "job_name": job, "job_type": "batch", **labels}
    return f"batch_job_{name}{{" + ",".join(f'{key}="{text}"' for key, text in every.items()) + "}"
