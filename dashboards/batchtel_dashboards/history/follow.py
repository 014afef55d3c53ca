"""Runs as they start and end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from batchtel_dashboards.history import assembly
from batchtel_dashboards.history.reader import History
from batchtel_dashboards.history.run import FINISHED, STARTED, Run
from batchtel_dashboards.history.selection import Selection

PERIOD: Final = 2.0
"""Seconds between two looks."""

_LATE: Final = 120.0
"""Seconds by which an event may be visible later than it happened: queues, and clocks of other machines."""

_MOST: Final = 2000


class Line(NamedTuple):
    """A run that has started or ended.

    Attributes:
        time: when, Unix time in seconds.
        what: `started`, or how it ended.
        run: the run, as far as this event has it.
    """

    time: float
    what: str
    run: Run


def follow(history: History, selection: Selection) -> Iterator[Line]:
    """Look at what is there, and return starts and ends from now on, in the order in which they become visible.

    Raises:
        StoreError: The store of logs does not answer.
    """
    return _following(history, selection, {key for key, _ in _looked(history, selection)})


def _following(history: History, selection: Selection, shown: set[tuple[object, ...]]) -> Iterator[Line]:
    while True:
        time.sleep(PERIOD)
        new = [(key, one) for key, one in _looked(history, selection) if key not in shown]
        shown |= {key for key, _ in new}
        yield from sorted((one for _, one in new), key=lambda one: one.time)


def _looked(history: History, selection: Selection) -> Iterator[tuple[tuple[object, ...], Line]]:
    """Yield what the last minutes have, with what identifies each of them."""
    only, now = (*assembly.IDENTITY, *assembly.RESULT), time.time()
    for event in (STARTED, FINISHED):
        for record in history.logs.newest(selection.wanted(event), now - _LATE, now + _LATE, _MOST, only):
            (run,) = assembly.runs([record])
            what = "started" if event == STARTED else run.status
            whenever = replace(selection, since=float("-inf"), until=float("inf"), status=None)
            if selection.status in (None, what) and whenever.matches(run):
                yield (event, run.identity, run.last.attempt), Line(record.time / 1e9, what, run)
