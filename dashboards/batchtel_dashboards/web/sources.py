"""Where pages have their content from. Each part of a page is read by itself: a store that is away hides no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from batchtel.catalogue.keys import CatalogueJob
from batchtel.catalogue.reader import CatalogueError, read
from batchtel.catalogue.zones import NoZonesError
from batchtel_dashboards.alerts import rule_file
from batchtel_dashboards.engines import EXACT, Engine
from batchtel_dashboards.history.job import JobState, states
from batchtel_dashboards.history.reader import History
from batchtel_dashboards.stores import Firing, Logs, Prometheus, Traces
from batchtel_dashboards.stores.errors import StoreError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_AT_ONCE: Final = 8
"""Queries of one page at the same time."""


@dataclass(frozen=True)
class Part(Generic[T_co]):
    """A part of a page: its content, None if there is none, and the problem that prevented it or something in it."""

    content: T_co | None
    problem: str = ""


NOTHING: Final[Part[Any]] = Part(None)
"""A part that is not shown."""


_OURS: Final = {alert.name for alert in rule_file.ALERTS}
_SERIOUS: Final = {"critical": 0, "warning": 1}


@dataclass(frozen=True)
class Sources:
    """The stores, and what is expected of jobs.

    Attributes:
        prometheus: the store of metrics.
        logs: the store of log records.
        traces: the store of traces.
        engine: how counts are read.
        catalogue: file of the job catalogue; None without one.
    """

    prometheus: Prometheus
    logs: Logs
    traces: Traces
    engine: Engine = EXACT
    catalogue: Path | None = None

    @property
    def history(self) -> History:
        """The runs."""
        return History(self.logs, self.prometheus, self.engine)

    def states(self, now: float, name: str | None = None) -> tuple[Part[Sequence[JobState]], Part[Any]]:
        """Return the jobs, or the one of a name, and the problem of the catalogue: they are shown without it, too."""
        entries = self._entries()
        try:
            found = part(lambda: states(self.prometheus, self.engine, entries.content or {}, now, name))
        except NoZonesError as error:
            entries = Part(None, f"schedules of the job catalogue cannot be computed: {error}")
            found = part(lambda: states(self.prometheus, self.engine, {}, now, name))
        return found, entries

    def _entries(self) -> Part[Mapping[str, CatalogueJob]]:
        try:
            return part(self.jobs)
        except CatalogueError as wrong:
            # Of a catalogue with a wrong entry the others are as good as before.
            return Part(wrong.jobs, f"the job catalogue has {wrong}; list them: batchtel jobs check {self.catalogue}")

    def alerts(self) -> list[Firing]:
        """Return what fires of batchtel's alerts and of others about a job, the most serious first.

        Raises:
            StoreError: Prometheus does not answer.
        """
        found = [one for one in self.prometheus.firing() if one.alert in _OURS or "job_name" in one.labels]
        # In an order that the next look has, too: Prometheus has none.
        return sorted(
            found,
            key=lambda one: (_SERIOUS.get(one.labels.get("severity", ""), 2), one.alert, sorted(one.labels.items())),
        )

    def jobs(self) -> Mapping[str, CatalogueJob]:
        """Return what is expected of jobs, as the catalogue has it now; nothing without one.

        Raises:
            CatalogueError: it has problems.
            OSError: it cannot be read.
        """
        return read(self.catalogue) if self.catalogue is not None else {}


def part(read_it: Callable[[], T]) -> Part[T]:
    """Return what a function reads, or the problem of its store or file."""
    try:
        return Part(read_it())
    except StoreError as error:
        return Part(None, str(error))
    except OSError as error:
        return Part(None, f"the job catalogue cannot be read: {error}")


def parts(**reads: Callable[[], Any]) -> dict[str, Part[Any]]:
    """Return the parts of a page by name; they are read at the same time."""
    with ThreadPoolExecutor(min(_AT_ONCE, len(reads)), "batchtel-page") as pool:
        waiting = {name: pool.submit(part, read_it) for name, read_it in reads.items()}
        return {name: future.result() for name, future in waiting.items()}
