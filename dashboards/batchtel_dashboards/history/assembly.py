"""Runs out of log records."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from batchtel_dashboards.history.run import (
    EVENTS,
    OPEN,
    STARTED,
    STEP_FINISHED,
    Attempt,
    Identity,
    Run,
    Step,
)
from batchtel_dashboards.history.text import LATEST
from batchtel_dashboards.stores import Record

IDENTITY: Final = (
    *("service.namespace", "service.name", "deployment.environment.name", "batch.job.name", "batch.run.id"),
    *("batch.run.attempt", "batch.job.type", "event_name"),
)
RESULT: Final = (
    *("batch.status", "batch.status.reason", "batch.started_at", "batch.duration", "batch.step.name"),
    *("batch.records.processed", "batch.records.failed", "batch.data_quality.score"),
    *("error.type", "exception.message", "process.exit.code", "trace_id"),
)
"""The fields that a list of runs needs: of each event, and of an end."""


def runs(records: Iterable[Record]) -> list[Run]:
    """Return the runs that log records are about, newest first; records of other things are left out."""
    of_runs: dict[Identity, list[Record]] = defaultdict(list)
    for record in records:
        if record.fields.get("event_name") in EVENTS:
            of_runs[Identity.of(record.fields)].append(record)
    assembled = (_run(identity, rows) for identity, rows in of_runs.items())
    return sorted((run for run in assembled if run is not None), key=lambda run: run.started, reverse=True)


def _run(identity: Identity, records: list[Record]) -> Run | None:
    """Return one run; None of steps alone, whose run has neither a start nor an end."""
    starts: dict[int, Record] = {}
    ends: dict[int, Record] = {}
    steps = []
    for record in records:
        number, event = _number(record), record.fields["event_name"]
        if event == STARTED:
            starts[number] = min(record, starts.get(number, record), key=lambda one: one.time)
        elif event == STEP_FINISHED or "batch.step.name" in record.fields:
            # An attempt of a step that failed, too: another one of it follows.
            steps.append(_step(record))
        else:
            ends[number] = max(record, ends.get(number, record), key=lambda one: one.time)
    numbers = sorted(starts.keys() | ends.keys())
    if not numbers:
        return None
    attempts = tuple(_attempt(number, starts.get(number), ends.get(number)) for number in numbers)
    return Run(identity, attempts, tuple(sorted(steps, key=lambda step: step.started)))


def _attempt(number: int, start: Record | None, end: Record | None) -> Attempt:
    if end is None:
        assert start is not None
        return Attempt(OPEN, start.time / 1e9, None, start.fields, number)
    return Attempt(end.fields.get("batch.status", ""), _started(end), _duration(end), end.fields, number)


def _step(record: Record) -> Step:
    fields = record.fields
    name = fields.get("batch.step.name", "")
    return Step(fields.get("batch.status", ""), _started(record), _duration(record), fields, name, _number(record))


def _started(end: Record) -> float:
    """Return the start of what has ended: of it as recorded, else its end without its duration."""
    try:
        return datetime.fromisoformat(end.fields["batch.started_at"]).timestamp()
    except (KeyError, ValueError):
        return end.time / 1e9 - _duration(end)


def _duration(end: Record) -> float:
    try:
        seconds = float(end.fields["batch.duration"])
    except (KeyError, ValueError):
        return 0.0
    return min(max(seconds, 0.0), LATEST) if math.isfinite(seconds) else 0.0


def _number(record: Record) -> int:
    try:
        return int(record.fields["batch.run.attempt"])
    except (KeyError, ValueError):
        return 1
