"""Events of a fleet as samples of Prometheus, one a minute, as a collector of each engine writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from tests.dashboards.alerts.simulation.runs import Events

STEP: Final = 60
"""Seconds between two samples."""

Row = list[float | None]
"""The samples of one series, a minute each; None where there is none."""


class Process(NamedTuple):
    """One process of the collector, from its start to that of the next one.

    Attributes:
        since: Unix time at which the one before has stopped: what jobs report from then on is delivered to this one.
        begins: when it exports its first samples.
        instance: its name. With exact one of a name continues the totals of the one before with that name.
    """

    since: float
    begins: float
    instance: str = "gateway-0"


def series(events: Events, start: float, minutes: int, processes: Sequence[Process], engine: str) -> dict[str, str]:
    """Return the samples of each series in promtool's notation, from `start` on.

    With exact totals have a zero first and continue after a restart. With stock they begin at their first value, again
    after each restart, with another label `boot`.
    """
    found: dict[str, str] = {}
    for name, changes in events.items():
        is_maximum = "_timestamp_seconds" in name
        # The collector is new: it has the states of the time before from the jobs' last reports, and no totals.
        kept = sorted(change for change in changes if is_maximum or change[0] >= start)
        rows = _rows(kept, is_maximum, start, minutes, processes, engine)
        found.update({name.replace("{", "{" + labels + ","): notation(row) for labels, row in rows.items()})
    return found


def _rows(
    changes: list[tuple[float, float]],
    is_maximum: bool,
    start: float,
    minutes: int,
    processes: Sequence[Process],
    engine: str,
) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    levels: dict[str, float] = {}
    ends = [*(process.since for process in processes[1:]), start + minutes * STEP]
    position = 0
    for number, (process, end) in enumerate(zip(processes, ends, strict=True)):
        labels = f'instance="{process.instance}"' + (f',boot="{number}"' if engine == "stock" else "")
        row = rows.setdefault(labels, [None] * minutes)
        first = max(0, -int((start - process.begins) // STEP))
        for minute in range(first, min(minutes, int((end - start) // STEP))):
            before, time = levels.get(labels), start + minute * STEP
            while position < len(changes) and changes[position][0] <= time:
                level = levels.get(labels, 0.0)
                value = changes[position][1]
                levels[labels] = max(level, value) if is_maximum else level + value
                position += 1
            row[minute] = levels.get(labels)
            if before is None and row[minute] is not None and engine == "exact" and not is_maximum:
                row[minute if minute == first else minute - 1] = 0.0
    return {labels: row for labels, row in rows.items() if any(value is not None for value in row)}


def constant(value: float, minutes: int, away: Iterable[tuple[int, int]] = ()) -> Row:
    """Return a series of one value, without samples in some minutes, each from one to before another."""
    row: Row = [value] * minutes
    for since, until in away:
        row[since:until] = [None] * (until - since)
    return row


def notation(row: Row) -> str:
    """Return samples in promtool's notation."""
    parts = []
    for value, run in groupby(row):
        count = len([*run])
        text = "_" if value is None else f"{value:.15g}"
        parts.append(f"_x{count}" if value is None else text if count == 1 else f"{text}x{count - 1}")
    return " ".join(parts)
