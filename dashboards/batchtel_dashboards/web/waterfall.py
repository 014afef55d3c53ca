"""The spans of a run, or its attempts and steps where no store has spans, as rows under each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from batchtel_dashboards.history.run import Run
from batchtel_dashboards.stores import Span
from batchtel_dashboards.stores.answers import Value
from batchtel_dashboards.web import spark_stages

MOST: Final = 400
"""Rows that are shown."""

_DEEPEST: Final = 12


class Bar(NamedTuple):
    """One span: left edge and width as shares of the whole, from 0 to 1.

    Attributes:
        depth: how many spans are around it.
        name: of the span; of one of Spark's with its number and what ran it.
        left: when it started.
        width: how long it lasted.
        seconds: the same in seconds; None for one that has not ended.
        status: of a run, attempt or step, or of what Spark ran; `failure` for another span with an error; else "".
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
    spans = spans_of(run, trace)
    if not any(span.name.startswith("batch_job.") and _of(run, span) for span in spans):
        return []
    begin, end = min(one.start for one in spans), max(one.end for one in spans)
    whole = max(end - begin, 1)
    return [
        Bar(
            min(depth, _DEEPEST),
            spark_stages.title(span),
            (span.start - begin) / whole,
            (span.end - span.start) / whole,
            (span.end - span.start) / 1e9,
            _status(span),
            {} if span.name in (spark_stages.JOB, spark_stages.STAGE) else _facts(span.attributes),
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
            facts = _facts({key: text for key, text in one.fields.items() if text}, _SHOWN[:3])
            bars.append(Bar(depth, name, (one.started - begin) / whole, width, seconds, one.status, facts))
    return bars


_SHOWN: Final = ("batch.records.", "batch.step.attempt", "error.type", "db.", "http.", "airflow.")


def _status(span: Span) -> str:
    recorded = span.attributes.get("batch.status") or spark_stages.status(span)
    return str(recorded or ("failure" if "error.type" in span.attributes else ""))


def _facts(fields: Mapping[str, Value], prefixes: tuple[str, ...] = _SHOWN) -> Mapping[str, Value]:
    return {key: text for key, text in fields.items() if key.startswith(prefixes) or _is_of_spark(key, text)}


def _is_of_spark(key: str, value: Value) -> bool:
    """Whether it is what a bar shows of Spark's totals: the table of stages has the others."""
    return key == "spark.jobs" or (key == "spark.tasks.failed" and value not in (0, "0"))


def _of(run: Run, span: Span) -> bool:
    return str(span.attributes.get("batch.run.id", "")) == run.identity.run_id


def spans_of(run: Run, trace: Sequence[Span]) -> list[Span]:
    """Return the spans of a run and those below them, of a trace that may have others."""
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
