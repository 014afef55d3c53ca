"""Stages of Spark that ran for a run, as rows of a table, by the spans of Spark's jobs and stages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from batchtel_dashboards.stores import Span

STAGE: Final = "spark.stage"
JOB: Final = "spark.job"

MOST: Final = 200
"""Rows that are shown, unless more than these have failed."""

_FAILED: Final = "tasks.failed"
_STEP: Final = "batch_step."
_STATUSES: Final = {
    "COMPLETE": "success",
    "SUCCEEDED": "success",
    "FAILED": "failure",
    "ACTIVE": "running",
    "RUNNING": "running",
}
_LARGEST: Final = 2**63


@dataclass(frozen=True)
class Row:
    """One attempt of a stage.

    Attributes:
        step: name of the innermost step that it is in; "" for none.
        job: number of Spark's job; None if its span is not there.
        stage: number of the stage and, after the first, of its attempt, such as `3` or `3 (attempt 1)`.
        name: its description, else the call that ran it.
        state: as Spark has it, such as COMPLETE.
        seconds: how long it lasted.
        span: all of it.
    """

    step: str
    job: int | None
    stage: str
    name: str
    state: str
    seconds: float
    span: Span

    @property
    def status(self) -> str:
        """Status of a run that ended likewise, which has a colour."""
        return status(self.span)

    @property
    def reason(self) -> str:
        """First line of the reason why it failed; "" if it did not."""
        return _text(self.span, "spark.stage.failure").strip().partition("\n")[0].strip()

    @property
    def has_failed(self) -> bool:
        """Whether the attempt failed, whatever another one did."""
        return self.state == "FAILED" or bool(self.reason)

    def count(self, key: str) -> int | None:
        """Return a number that `spark.` and the key name; None if it was not recorded, or is none."""
        return _count(self.span, f"spark.{key}")


@dataclass(frozen=True)
class Stages:
    """The rows of a page, in the order of stage ids, and how many more there are."""

    rows: Sequence[Row]
    left_out: int


def of_spans(spans: Sequence[Span]) -> Stages:
    """Return the attempts of stages among the spans of a run: of too many, first those that failed.

    All that failed are shown. One application records at most 1,000 spans (`batchtel.spark.observer.SPAN_LIMIT`).
    """
    by_id = {span.span_id: span for span in spans}
    stages = sorted((span for span in spans if span.name == STAGE), key=_order)
    rows = [_row(span, by_id) for span in stages]
    failed = sum(row.has_failed for row in rows)
    first = sorted(range(len(rows)), key=lambda index: (not rows[index].has_failed, not rows[index].count(_FAILED)))
    shown = sorted(first[: max(MOST, failed)])
    return Stages([rows[index] for index in shown], len(rows) - len(shown))


def title(span: Span) -> str:
    """Return the name of a bar: of Spark's jobs and stages with their numbers and what ran them."""
    if span.name == STAGE:
        return f"{span.name} {_numbered(span)} {_text(span, 'spark.stage.name')}".strip()
    if span.name == JOB:
        number = _count(span, "spark.job.id")
        return f"{span.name} {'?' if number is None else number} {_text(span, 'spark.job.name')}".strip()
    return span.name


def status(span: Span) -> str:
    """Return the status of a run that ended as a job or stage of Spark did; "" for another span."""
    key = {STAGE: "spark.stage.status", JOB: "spark.job.status"}.get(span.name, "")
    return _STATUSES.get(_text(span, key), "")


def _row(span: Span, by_id: Mapping[str, Span]) -> Row:
    around = list(_around(span, by_id))
    job = next((_count(one, "spark.job.id") for one in around if one.name == JOB), None)
    steps = (_text(one, "batch.step.name") or one.name[len(_STEP) :] for one in around if one.name.startswith(_STEP))
    return Row(
        next(steps, ""),
        job,
        _numbered(span),
        _text(span, "spark.stage.name"),
        _text(span, "spark.stage.status"),
        max(span.end - span.start, 0) / 1e9,
        span,
    )


def _around(span: Span, by_id: Mapping[str, Span]) -> Iterator[Span]:
    """Yield the spans around one, the innermost first; each once, whatever their parents are."""
    passed = {span.span_id}
    above = by_id.get(span.parent_id)
    while above is not None and above.span_id not in passed:
        passed.add(above.span_id)
        yield above
        above = by_id.get(above.parent_id)


def _order(span: Span) -> tuple[float, int, int]:
    number = _count(span, "spark.stage.id")
    return (math.inf if number is None else number, _count(span, "spark.stage.attempt") or 0, span.start)


def _numbered(span: Span) -> str:
    number, attempt = _count(span, "spark.stage.id"), _count(span, "spark.stage.attempt")
    return ("?" if number is None else str(number)) + (f" (attempt {attempt})" if attempt else "")


def _text(span: Span, key: str) -> str:
    return str(span.attributes.get(key, ""))


def _count(span: Span, key: str) -> int | None:
    """Return an attribute that is a number of OTLP; None of another kind, as other programs may have recorded it."""
    number = span.attributes.get(key)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not -_LARGEST < number < _LARGEST:
        return None
    return int(number)
