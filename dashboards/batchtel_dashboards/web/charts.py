"""The geometry of charts, for templates that draw them as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from batchtel_dashboards.history.run import Run
from batchtel_dashboards.history.text import span

HEIGHT: Final = 60.0
"""Of a chart, in units of its view box; bars are 8 wide with gaps of 2."""

_STEP: Final = 10.0
_LEAST: Final = 2.0

NO_END: Final = ("running", "open")
"""Statuses that have no duration yet: their bars have the full height and are hollow."""


class Bar(NamedTuple):
    """One bar: its place, the status that colours it, what it is about, and the run that it leads to."""

    x: float
    y: float
    height: float
    status: str
    title: str
    run: Run


@dataclass(frozen=True)
class Chart:
    """Bars of runs, the oldest first.

    Attributes:
        name: what its heights are.
        bars: the bars.
        top: what the full height is, as text.
        summary: the chart as a sentence, for those who do not see it.
    """

    name: str
    bars: Sequence[Bar]
    top: str
    summary: str

    @property
    def width(self) -> float:
        """Width of the view box."""
        return max(len(self.bars), 1) * _STEP


def durations(newest_first: Sequence[Run]) -> Chart:
    """Return the durations of runs."""
    rows = [(run, run.duration, span(run.duration)) for run in reversed(newest_first)]
    longest = max((value or 0.0 for _, value, _ in rows), default=0.0)
    return Chart("duration", _bars(rows, longest), span(longest), f"{_counted(newest_first)}; longest {span(longest)}")


def numbers(name: str, key: str, newest_first: Sequence[Run], top: float | None = None) -> Chart | None:
    """Return a chart of a number that runs record, such as `batch.records.processed`; None if none of them has it."""
    rows = [
        (run, value, f"{value:,g}") for run in reversed(newest_first) if (value := run.last.number(key)) is not None
    ]
    if not rows:
        return None
    most = top if top is not None else max(value for _, value, _ in rows)
    return Chart(name, _bars(rows, most), f"{most:,g}", f"{name} of {len(rows)} runs; the last {rows[-1][2]}")


def _bars(rows: Iterable[tuple[Run, float | None, str]], top: float) -> list[Bar]:
    made = []
    for index, (run, value, text) in enumerate(rows):
        height = HEIGHT if run.status in NO_END else _height(value or 0.0, top)
        title = f"{run.status}, {text}, {run.identity.run_id}"
        made.append(Bar(index * _STEP, HEIGHT - height, height, run.status, title, run))
    return made


def _height(value: float, top: float) -> float:
    return max(min(value / top, 1.0) * HEIGHT, _LEAST) if top > 0 and value > 0 else _LEAST


def _counted(runs: Sequence[Run]) -> str:
    statuses = [run.status for run in runs]
    counts = ", ".join(f"{statuses.count(one)} {one}" for one in dict.fromkeys(statuses))
    return f"the last {len(statuses)} runs: {counts}" if runs else "no run"
