"""Reads runs from a store of logs."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

from batchtel_dashboards.engines import EXACT, Engine
from batchtel_dashboards.history import assembly
from batchtel_dashboards.history.liveness import Live, judged, live
from batchtel_dashboards.history.run import (
    EVENTS,
    LOST,
    OF_RUNS,
    OPEN,
    RUNNING,
    STARTED,
    Identity,
    Run,
)
from batchtel_dashboards.history.selection import Selection
from batchtel_dashboards.history.text import LATEST
from batchtel_dashboards.stores import Logs, Prometheus, Record, Wanted
from batchtel_dashboards.stores.errors import StoreError

MOST: Final = 100_000
"""Events of one kind that a list is made of at most."""

FIRST: Final = 500
"""Events of one kind that are read first: most lists need no more."""

NEAR: Final = 35 * 86400.0
"""Seconds in which a run is looked for first: Loki divides the time of a query into hours, and reads each of them."""

QUARTER: Final = 92 * 86400.0
"""Seconds before a run in which one to compare it with is looked for."""

MARGIN: Final = 86400.0
"""Seconds before and after a run in which its log records are looked for: clocks of machines differ."""


@dataclass(frozen=True)
class History:
    """The runs that a store of logs has.

    Attributes:
        logs: the store.
        prometheus: whether open runs are live; they stay open without it.
        engine: how counts are read.
    """

    logs: Logs
    prometheus: Prometheus | None = None
    engine: Engine = EXACT

    def runs(self, selection: Selection, limit: int) -> list[Run]:
        """Return the newest runs of a selection, newest first, at most `limit`.

        Raises:
            StoreError: The store of logs does not answer, or has more events than are read at once; or running or lost
                ones are wanted, and Prometheus does not answer.
        """
        alive = self.live()
        if alive is None and selection.status in (RUNNING, LOST):
            raise StoreError(f"Prometheus does not answer which open runs are {selection.status}; select {OPEN} ones")
        size = max(FIRST, 4 * limit)
        while True:
            size = min(size, MOST)
            events, horizon = self._events(selection, size)
            found = assembly.runs(events)
            if alive is not None:
                # Of one id, or of the past, others of the job are missing that heartbeats count.
                part = selection.run_begins is not None or selection.until < time.time()
                found = self._judged(found, alive) if part else judged(found, alive)
            matching = [run for run in found if selection.matches(run)]
            # A run that started later than the horizon is complete: its end cannot be older than its start.
            complete = [run for run in matching if run.started >= horizon]
            if len(complete) >= limit or horizon <= selection.since:
                return (complete if len(complete) >= limit else matching)[:limit]
            if size == MOST:
                raise StoreError(
                    f"{self.logs.product} has more than {MOST:,} events in this time; choose a shorter time, or one job"
                )
            size *= 8

    def once(self) -> History:
        """Return the same runs, for which Prometheus is queried now and not again."""
        return _Once(self.logs, self.prometheus, self.engine, self.live())

    def live(self) -> Live | None:
        """Return how many runs of each job are live; None if Prometheus does not answer."""
        if self.prometheus is None:
            return None
        try:
            return live(self.prometheus, self.engine)
        except StoreError:
            return None

    def candidates(self, selection: Selection, run_id: str) -> list[Run]:
        """Return the runs with this id or, if there is none, those whose id begins so; without steps.

        Raises:
            StoreError: The store of logs does not answer.
        """
        near = replace(selection, since=max(selection.since, time.time() - NEAR))
        for chosen in (near, selection) if near != selection else (selection,):
            for exact in (True, False):
                found = [run for run in self._of(run_id, exact, chosen) if chosen.matches(run)]
                if found:
                    return found
        return []

    def last_success(self, run: Run, since: float) -> Run | None:
        """Return the last run of the same job, service and environment that succeeded within a QUARTER before this one.

        Raises:
            StoreError: The store of logs does not answer.
        """
        one = run.identity
        since = max(since, run.started - QUARTER)
        before = Selection(since, run.started - 0.001, one.job, None, "success", one.label, one.environment)
        return next(iter(self.runs(before, 1)), None)

    def whole(self, run: Run) -> tuple[Run, list[Record]]:
        """Return a run with its steps, and the events that it is made of, oldest first.

        Raises:
            StoreError: The store of logs does not answer, or has neither a start nor an end.
        """
        # In the order of their times: steps may have started in the same millisecond.
        events = sorted((row for event in EVENTS for row in self._newest(run, MOST, event)), key=lambda row: row.time)
        found = assembly.runs(events)
        if not found:
            raise StoreError(f"{self.logs.product} has neither a start nor an end of this run")
        return self._judged(found, self.live())[0], events

    def lines(self, run: Run, limit: int, text: str | None = None, severity: str | None = None) -> list[Record]:
        """Return the newest log records of a run but those of whole(), at most `limit`, oldest first.

        Events about a part of it are among them, such as a record that failed, and that it has logged too much.

        Args:
            run: the run.
            limit: of the number of records.
            text: only those that contain it, in small or capital letters.
            severity: only those with this severity, such as WARN.

        Raises:
            StoreError: The store of logs does not answer.
        """
        return self._newest(run, limit, None, text, severity)[::-1]

    def _newest(
        self, run: Run, limit: int, event: str | None, text: str | None = None, severity: str | None = None
    ) -> list[Record]:
        one, until = run.identity, min(run.last.end or LATEST, time.time())
        but = EVENTS if event is None else ()
        wanted = Wanted(one.service, event, one.job, one.run_id, text=text, severity=severity, but=but)
        found = self.logs.newest(wanted, run.started - MARGIN, until + MARGIN, limit)
        # A namespace is none of the streams that are selected by.
        return [row for row in found if Identity.of(row.fields) == one]

    def _events(self, selection: Selection, size: int) -> tuple[list[Record], float]:
        """Return the newest events of a selection, and the Unix time since when none of them is missing."""
        events, horizon, now = [], selection.since, time.time()
        for event in OF_RUNS:
            only = assembly.IDENTITY if event == STARTED else (*assembly.IDENTITY, *assembly.RESULT)
            # Runs of a selection have ended at any time since.
            until = min(selection.until, now) if event == STARTED else now
            rows = self.logs.newest(selection.wanted(event), selection.since, until + MARGIN, size, only)
            events += rows
            if len(rows) == size:
                horizon = max(horizon, rows[-1].time / 1e9)
        return events, horizon

    def _of(self, run_id: str, exact: bool, selection: Selection) -> list[Run]:
        only, events = (*assembly.IDENTITY, *assembly.RESULT), []
        for event in OF_RUNS:
            one = selection.wanted(event)
            one = replace(one, run_id=run_id) if exact else replace(one, run_begins=run_id)
            # Not until 2100: Loki splits the time of a query into hours.
            events += self.logs.newest(one, selection.since, time.time() + MARGIN, FIRST, only)
        return self._judged(assembly.runs(events), self.live())

    def _judged(self, found: list[Run], alive: Live | None) -> list[Run]:
        """Return runs, of which each open one is judged among all that its job started since."""
        opened = [run for run in found if run.status == OPEN]
        if alive is None or not opened:
            return found
        since = min(run.started for run in opened) - 1
        others: list[Run] = []
        for job in {run.identity.job for run in opened}:
            others += assembly.runs(self._events(Selection(since, LATEST, job), MOST)[0])
        whole = {run.identity: run for run in judged(others, alive)}
        return [replace(run, attempts=whole.get(run.identity, run).attempts) if run in opened else run for run in found]


@dataclass(frozen=True)
class _Once(History):
    alive: Live | None = None

    def live(self) -> Live | None:
        return self.alive
