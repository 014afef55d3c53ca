"""The spans of a run, or its attempts and steps where no store has spans, as rows under each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from batchtel_dashboards.history.run import Run
from batchtel_dashboards.stores import Span
from batchtel_dashboards.stores.answers import Value

MOST: Final = 400
"""Rows that are shown."""

_DEEPEST: Final = 12


class Bar(NamedTuple):
    """One span: left edge and width as shares of the whole, from 0 to 1.

    Attributes:
        depth: how many spans are around it.
        name: of the span.
        left: when it started.
        width: how long it lasted.
        seconds: the same in seconds; None for one that has not ended.
        status: of a run, attempt or step; `failure` for another span with an error; else "".
        facts: attributes that matter, as text.
    """

    depth: int
    name: str
    left: float
    width: float
    seconds: float | None
    status: str
    facts: Mapping[str, Value | str]


def of_spans(run: Run, trace: Sequence[Span]) -> list[Bar]:
    """Return the spans of a run in the order of their starts, each below the one that it is in.

    None of a run whose own span is not there: it is exported at its end. Others of the trace are left out, such as
    those of the run that started this one.
    """
    spans = _below(run, trace)
    if not any(span.name.startswith("batch_job.") and _of(run, span) for span in spans):
        return []
    begin, end = min(one.start for one in spans), max(one.end for one in spans)
    whole = max(end - begin, 1)
    return [
        Bar(
            min(depth, _DEEPEST),
            span.name,
            (span.start - begin) / whole,
            (span.end - span.start) / whole,
            (span.end - span.start) / 1e9,
            str(span.attributes.get("batch.status") or ("failure" if "error.type" in span.attributes else "")),
            {key: text for key, text in span.attributes.items() if key.startswith(_SHOWN)},
        )
        for depth, span in _nested(spans)
    ]


def of_run(run: Run, now: float) -> list[Bar]:
    """Return the attempts of a run, each with its steps."""
    begin = run.started
    ends = [one.end or now for one in (*run.attempts, *run.steps)]
    whole = max(max(ends) - begin, 0.001)
    bars = []
    for attempt in run.attempts:
        steps = [step for step in run.steps if step.attempt == attempt.attempt]
        for depth, name, one in ((0, f"attempt {attempt.attempt}", attempt), *((1, step.name, step) for step in steps)):
            seconds = one.duration
            width = (seconds if seconds is not None else max(now - one.started, 0.0)) / whole
            facts = {key: text for key, text in one.fields.items() if key.startswith(_SHOWN[:3]) and text}
            bars.append(Bar(depth, name, (one.started - begin) / whole, width, seconds, one.status, facts))
    return bars


_SHOWN: Final = ("batch.records.", "batch.step.attempt", "error.type", "db.", "http.", "airflow.", "spark.")


def _of(run: Run, span: Span) -> bool:
    return str(span.attributes.get("batch.run.id", "")) == run.identity.run_id


def _below(run: Run, trace: Sequence[Span]) -> list[Span]:
    """Return the spans of a run and those below them."""
    kept: dict[str, Span] = {span.span_id: span for span in trace if _of(run, span)}
    count = -1
    while count != len(kept):
        count = len(kept)
        kept |= {span.span_id: span for span in trace if span.parent_id in kept}
    return list(kept.values())


def _nested(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    ids = {span.span_id for span in spans}
    below: Mapping[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda one: one.start):
        below[span.parent_id if span.parent_id in ids else ""].append(span)
    waiting = [(0, span) for span in reversed(below[""])]
    shown: set[str] = set()
    while waiting:
        depth, span = waiting.pop()
        if span.span_id in shown:
            continue
        shown.add(span.span_id)
        yield depth, span
        waiting += [(depth + 1, inner) for inner in reversed(below.get(span.span_id, []))]
