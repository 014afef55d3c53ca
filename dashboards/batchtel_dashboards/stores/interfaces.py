"""The queries that every store of logs and every store of traces answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from batchtel_dashboards.stores.answers import Record, Span


@dataclass(frozen=True)
class Wanted:
    """Which log records or traces a query returns; None matches all.

    Attributes:
        service: `service.name` of the process that sent them; Jaeger needs it for a search.
        event: name of an event, one of `spans_and_events.EVENTS`; a job's own log records have none. Stores of traces
            ignore it.
        but: names of events that are left out.
        job: name of the job; it identifies log streams, so it makes a query fast.
        job_begins: what the name of the job begins with. Stores of traces ignore it.
        run_id: id of the run.
        run_begins: what the id of the run begins with. Stores of traces ignore it, and what follows.
        status: how the run or step ended, for events of an end.
        text: what the line contains, in small or capital letters.
        severity: text of the severity, such as WARN.
    """

    service: str | None = None
    event: str | None = None
    job: str | None = None
    run_id: str | None = None
    run_begins: str | None = None
    status: str | None = None
    text: str | None = None
    severity: str | None = None
    but: tuple[str, ...] = ()
    job_begins: str | None = None


class Logs(Protocol):
    """A store of log records."""

    product: str
    """Its name, for people."""
    url: str
    """Base address of its query API."""

    def records(self, wanted: Wanted, start: float, end: float) -> list[Record]:
        """Return the log records between two Unix times in seconds, oldest first.

        Raises:
            StoreError: It does not answer, or it has more than it returns at once: a part must not look like the whole
                answer.
        """

    def newest(self, wanted: Wanted, start: float, end: float, limit: int, only: Collection[str] = ()) -> list[Record]:
        """Return the newest log records between two Unix times in seconds, newest first, at most `limit`.

        Args:
            wanted: which ones.
            start: Unix time in seconds.
            end: Unix time in seconds.
            limit: of the number of records.
            only: names of the fields that are needed; the answer may have more. All of them if empty.

        Raises:
            StoreError: It does not answer.
        """


class Traces(Protocol):
    """A store of traces."""

    product: str
    """Its name, for people."""
    url: str
    """Base address of its query API."""

    def find(self, wanted: Wanted, start: float, end: float) -> list[str]:
        """Return the ids of the traces with spans of wanted runs that began between two Unix times in seconds.

        Raises:
            StoreError: It does not answer, or it has more than it returns at once.
        """

    def check(self) -> None:
        """Do nothing if it answers.

        Raises:
            StoreError: It does not, or another program does.
        """

    def address(self, trace_id: str) -> str:
        """Return the address of a trace in its query API, without credentials."""

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of one trace by start, from 32 hexadecimal digits; none if the store does not have it.

        Raises:
            StoreError: It does not answer.
        """
