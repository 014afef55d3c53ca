"""Runs out of log records."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from batchtel_dashboards.history.run import (
    EVENTS,
    OPEN,
    REPORTED,
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
    *("batch.run.attempt", "batch.job.type", "event_name", "trace_id"),
)
RESULT: Final = (
    *("batch.status", "batch.status.reason", "batch.started_at", "batch.duration", "batch.step.name"),
    *("batch.records.processed", "batch.records.failed", "batch.data_quality.score"),
    *("error.type", "exception.message", "process.exit.code"),
)
"""The fields that a list of runs needs: of each event, and of an end."""

_COUNTS: Final = ("batch.records.processed", "batch.records.failed")
_OF_A_PART: Final = (
    *("batch.data_quality.score", "batch.schema.version", "batch.data.timestamp", "batch.inputs", "batch.outputs"),
    *("batch.progress.done", "batch.progress.total"),
)
"""What each process of a run reports of its own part: numbers that are added, and what the end of the run may lack."""


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
    parts: dict[int, list[Record]] = defaultdict(list)
    traces: set[tuple[int, str]] = set()
    steps = []
    for record in records:
        number, event = _number(record), record.fields["event_name"]
        if event == STARTED:
            starts[number] = min(record, starts.get(number, record), key=lambda one: one.time)
            traces.add((number, record.fields.get("trace_id", "")))
        elif event == REPORTED:
            parts[number].append(record)
        elif event == STEP_FINISHED or "batch.step.name" in record.fields:
            # An attempt of a step that failed, too: another one of it follows.
            steps.append(_step(record))
        else:
            ends[number] = max(record, ends.get(number, record), key=lambda one: one.time)
    numbers = sorted(starts.keys() | ends.keys())
    if not numbers:
        return None
    attempts = tuple(_attempt(number, starts.get(number), ends.get(number), parts[number]) for number in numbers)
    # Each execution is a trace of its own; a start that was delivered twice is none.
    return Run(identity, attempts, tuple(sorted(steps, key=lambda step: step.started)), max(1, len(traces)))


def _attempt(number: int, start: Record | None, end: Record | None, parts: list[Record]) -> Attempt:
    if end is None:
        assert start is not None
        return Attempt(OPEN, start.time / 1e9, None, _with_parts(start, parts), number)
    return Attempt(end.fields.get("batch.status", ""), _started(end), _duration(end), _with_parts(end, parts), number)


def _with_parts(record: Record, parts: list[Record]) -> Mapping[str, str]:
    """Return the fields of a record with what other processes of its run have reported: `batch.run.reported`.

    A start that `batchtel run` recorded has no counts of the program that it runs.
    """
    if not parts:
        return record.fields
    fields = dict(record.fields)
    for part in sorted(parts, key=lambda one: one.time):
        for name in _COUNTS:
            if name in part.fields:
                fields[name] = _sum(fields.get(name), part.fields[name])
        fields |= {name: part.fields[name] for name in _OF_A_PART if name in part.fields and name not in record.fields}
    return fields


def _sum(one: str | None, other: str) -> str:
    try:
        return str(int(float(one or 0)) + int(float(other)))
    except (ValueError, OverflowError):
        return one or other


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
