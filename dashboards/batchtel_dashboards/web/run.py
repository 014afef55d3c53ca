"""The page of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from batchtel_dashboards.history import comparison
from batchtel_dashboards.history.reader import History
from batchtel_dashboards.history.run import Run
from batchtel_dashboards.history.selection import Selection
from batchtel_dashboards.history.text import LATEST
from batchtel_dashboards.stores import Record
from batchtel_dashboards.web import spark_stages, waterfall
from batchtel_dashboards.web.sources import NOTHING, Part, Sources, part, parts

SINCE: Final = 400 * 86400.0
"""Seconds that are looked back for a run: longer than stores usually keep any."""

LINES: Final = 300
"""Log records on one page."""


@dataclass(frozen=True)
class Wanted:
    """Which run, and which of its log records; empty texts select all.

    Attributes:
        run_id: its id, or the beginning of it.
        job: name of its job.
        service: as metrics have it; None is any.
        environment: of the run, "" for none; None is any.
        text: what a log record contains.
        severity: of log records.
        page: of log records, from 1.
    """

    run_id: str
    job: str = ""
    service: str | None = None
    environment: str | None = None
    text: str = ""
    severity: str = ""
    page: int = 1


@dataclass(frozen=True)
class RunPage:
    """All that the page shows.

    Attributes:
        candidates: the runs that are meant: one, or several among which a reader chooses, or none.
        wanted: what was asked for.
        run: the run with its steps; None if not one is meant.
        bars: its spans, or its steps where the store of traces does not have them.
        spans: what the store of traces has, or its problem.
        other: the last run before it that succeeded; None if there is none.
        differences: both side by side.
        found: the newest log records that match, oldest first, and one more than the pages up to this one have.
        now: Unix time in seconds.
    """

    candidates: Part[Sequence[Run]]
    wanted: Wanted
    now: float
    run: Run | None = None
    bars: Sequence[waterfall.Bar] = ()
    spans: Part[Any] = NOTHING
    other: Part[Run] = NOTHING
    differences: Sequence[comparison.Row] = ()
    found: Part[Sequence[Record]] = NOTHING

    @property
    def refreshes(self) -> bool:
        """Whether it runs."""
        return self.run is not None and self.run.status in ("running", "open")

    @property
    def shown_bars(self) -> Sequence[waterfall.Bar]:
        """The rows that a page has at most."""
        return self.bars[: waterfall.MOST]

    @property
    def stages(self) -> spark_stages.Stages:
        """What Spark ran; without rows where no span is a stage."""
        spans = waterfall.spans_of(self.run, self.spans.content or ()) if self.run is not None else ()
        return spark_stages.of_spans(spans)

    @property
    def first_difference(self) -> str:
        """A sentence about what differs first."""
        return comparison.first(list(self.differences))

    @property
    def records(self) -> Sequence[Record]:
        """The log records of this page; the first page has the newest, because an end explains most."""
        found = self.found.content or ()
        end = len(found) - (self.wanted.page - 1) * LINES
        return found[max(end - LINES, 0) : max(end, 0)]

    @property
    def older(self) -> bool:
        """Whether there are older log records than those of this page."""
        return len(self.found.content or ()) > self.wanted.page * LINES

    @property
    def severities(self) -> list[str]:
        """Severities that a filter can select: those of what was found."""
        found = {record.fields.get("severity_text", "") for record in self.found.content or ()}
        return sorted((found | {self.wanted.severity}) - {""})


def run(sources: Sources, wanted: Wanted, now: float) -> RunPage:
    """Return the page of the run that is wanted."""
    history = sources.history.once()
    chosen = Selection(
        now - SINCE,
        LATEST,
        wanted.job or None,
        service=wanted.service or None,
        environment=wanted.environment,
    )
    found = part(lambda: history.candidates(chosen, wanted.run_id))
    if found.content is None or len(found.content) != 1:
        return RunPage(found, wanted, now)
    one = found.content[0]
    read = part(lambda: history.whole(one))
    if read.content is None:
        return RunPage(Part(None, read.problem), wanted, now)
    whole, _ = read.content
    more = parts(
        spans=lambda: _spans(sources, whole),
        other=lambda: _other(history, whole, now),
        records=lambda: history.lines(one, wanted.page * LINES + 1, wanted.text or None, wanted.severity or None),
    )
    other = more["other"].content
    return RunPage(
        found,
        wanted,
        now,
        whole,
        waterfall.of_spans(whole, more["spans"].content or ()) or waterfall.of_run(whole, now),
        more["spans"],
        more["other"],
        comparison.rows(whole, other) if other is not None else (),
        more["records"],
    )


def _spans(sources: Sources, whole: Run) -> Any:
    ids = dict.fromkeys(attempt.text("trace_id") for attempt in whole.attempts)
    return [span for trace_id in ids if trace_id for span in sources.traces.trace(trace_id)]


def _other(history: History, whole: Run, now: float) -> Run | None:
    before = history.last_success(whole, now - SINCE)
    return history.whole(before)[0] if before is not None else None
