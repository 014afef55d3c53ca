"""Two runs side by side: what was different this time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from batchtel_dashboards.history.run import Outcome, Run, Step
from batchtel_dashboards.history.text import line, span

FACTOR: Final = 2.0
"""How many times as long, or as many records, as in the other run is a difference: less is what each run has."""

LEAST: Final = 1.0
"""Seconds by which durations differ at least before that is a difference."""

QUALITY: Final = 0.05
"""By how much quality scores differ at least before that is a difference."""


class Row(NamedTuple):
    """One thing of both runs, as text; `differs` if it is not what chance makes."""

    what: str
    this: str
    other: str
    differs: bool


def rows(this: Run, other: Run) -> list[Row]:
    """Return the runs as a whole, then their steps, in the order in which they ran."""
    return [*_of_runs(this, other), *_of_steps(this, other)]


def first(found: list[Row]) -> str:
    """Return a sentence about the first difference: of a step if there is one, because it comes before its run's."""
    different = [row for row in found if row.differs]
    if not different:
        return "Nothing that is recorded differs."
    row = next((row for row in different if row.what.startswith("step ")), different[0])
    return f"First difference: {row.what} is {row.this or 'not there'}; it was {row.other or 'not there'}."


def document(this: Run, other: Run) -> dict[str, Any]:
    """Return it as one JSON object."""
    found = rows(this, other)
    return {
        "this": this.document(),
        "other": other.document(),
        "first": first(found),
        "rows": [row._asdict() for row in found],
    }


def _of_runs(this: Run, other: Run) -> Iterator[Row]:
    one, two = this.last, other.last
    yield _equal("status", this.status, other.status)
    yield Row("duration", span(this.duration), span(other.duration), _longer(this.duration, other.duration))
    yield _equal("attempts", str(this.tries), str(other.tries))
    for what in ("processed", "failed"):
        ours, theirs = (run.count(f"batch.records.{what}") for run in (one, two))
        if ours is not None or theirs is not None:
            yield Row(f"records {what}", _number(ours), _number(theirs), _far(ours, theirs))
    good, better = (run.number("batch.data_quality.score") for run in (one, two))
    if good is not None or better is not None:
        differs = good is None or better is None or abs(good - better) >= QUALITY
        yield Row("quality", one.text("batch.data_quality.score"), two.text("batch.data_quality.score"), differs)
    for what, key in (
        ("schema version", "batch.schema.version"),
        ("inputs", "batch.inputs"),
        ("outputs", "batch.outputs"),
    ):
        if one.text(key) or two.text(key):
            yield _equal(what, line(one.text(key)), line(two.text(key)))
    if one.error or two.error:
        yield Row("error", line(one.error), line(two.error), one.text("error.type") != two.text("error.type"))


def _of_steps(this: Run, other: Run) -> Iterator[Row]:
    ours, theirs = _steps(this), _steps(other)
    for name in _in_order(list(ours), list(theirs)):
        one, two = ours.get(name), theirs.get(name)
        differs = (
            one is None
            or two is None
            or one.status != two.status
            or _longer(one.duration, two.duration)
            or any(_far(a, b) for (_, a), (_, b) in zip(_counts(one), _counts(two), strict=True))
        )
        yield Row(f"step {name}", _shown(one), _shown(two), differs)


def _in_order(ours: list[str], theirs: list[str]) -> list[str]:
    """Return all names, each where its run has it: a step that is missing here is before those that followed it."""
    merged: list[str] = []
    for name in theirs:
        if name in ours:
            merged += [one for one in ours[: ours.index(name)] if one not in theirs and one not in merged]
        merged.append(name)
    return merged + [one for one in ours if one not in merged]


def _steps(run: Run) -> dict[str, Step]:
    """Return the steps of the last attempt that has any, by name; one that ran more than once has a number, too."""
    last, counts, found = max((step.attempt for step in run.steps), default=0), Counter[str](), {}
    for step in run.steps:
        if step.attempt == last:
            counts[step.name] += 1
            number = counts[step.name]
            found[step.name if number == 1 else f"{step.name} #{number}"] = step
    return found


def _shown(step: Step | None) -> str:
    if step is None:
        return ""
    counts = [f"{what} {number:,}" for what, number in _counts(step) if number is not None]
    return ", ".join([step.status, span(step.duration), *counts, *([line(step.error)] if step.error else [])])


def _counts(step: Outcome) -> list[tuple[str, int | None]]:
    return [(what, step.count(f"batch.records.{what}")) for what in ("read", "written", "failed")]


def _equal(what: str, this: str, other: str) -> Row:
    return Row(what, this, other, this != other)


def _longer(this: float | None, other: float | None) -> bool:
    if this is None or other is None:
        return this is not other
    low, high = sorted((this, other))
    return high - low >= LEAST and high >= FACTOR * low


def _far(this: int | None, other: int | None) -> bool:
    """Return whether counts of records differ by more than runs do: one has none, or the other has twice as many."""
    low, high = sorted((this or 0, other or 0))
    return high > 0 and high >= FACTOR * low


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
