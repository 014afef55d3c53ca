"""The page of all jobs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from batchtel_dashboards.history.job import FAILED, JobState, Who, about
from batchtel_dashboards.history.reader import History
from batchtel_dashboards.history.run import Run
from batchtel_dashboards.history.selection import LISTED, Selection
from batchtel_dashboards.history.text import LATEST
from batchtel_dashboards.stores import Firing
from batchtel_dashboards.web import last_day
from batchtel_dashboards.web.charts import Chart, durations
from batchtel_dashboards.web.sources import NOTHING, Part, Sources, parts

RECENT: Final = 30
"""Runs of each job that are drawn."""

PAGE: Final = 100
"""Jobs on one page."""

SHOWN: Final = ("attention", "running", "overdue", "failed", "quiet")
"""What the filter of states offers."""

_SHARED: Final = 2000
"""Runs that are read at once for all jobs, before those of rare jobs are read for each."""


@dataclass(frozen=True)
class Filters:
    """Which jobs are shown; empty texts select all."""

    text: str = ""
    state: str = ""
    service: str = ""
    environment: str = ""
    page: int = 1

    def address(self, **changed: object) -> dict[str, object]:
        """Return them as a query, with changes."""
        given: dict[str, object] = {"q": self.text, "state": self.state, "service": self.service}
        return given | {"environment": self.environment, "page": self.page if self.page > 1 else ""} | changed

    def match(self, row: JobState) -> bool:
        """Return whether a job is one of them."""
        failed = row.state in FAILED
        wanted = {
            "attention": _needs_attention(row),
            "running": row.running > 0,
            "overdue": row.overdue,
            "failed": failed,
            "quiet": row.running == 0 and not failed and not row.overdue,
        }
        return (
            (not self.state or wanted.get(self.state, row.state == self.state))
            and (not self.service or row.service == self.service)
            and (not self.environment or row.environment == self.environment)
            and self.text.casefold() in f"{row.name} {row.owner}".casefold()
        )


@dataclass(frozen=True)
class Row:
    """A job with its last runs and what it violated in 24 hours; `chart` is None where no run is recorded."""

    job: JobState
    chart: Chart | None
    violations: int
    alerts: Sequence[Firing]

    @property
    def severity(self) -> str:
        """The most serious severity of its alerts, which come first."""
        return self.alerts[0].labels.get("severity", "") if self.alerts else ""


@dataclass(frozen=True)
class Fleet:
    """All that the page shows.

    Attributes:
        filters: which jobs are shown.
        rows: the jobs of this page of the list.
        jobs: all jobs, without filters; a problem where Prometheus does not answer.
        entries: the problem of the job catalogue, if it has one.
        matching: how many jobs match the filters.
        runs: the last runs of each job.
        numbers: name -> number of the last 24 hours or hour, without those that have no value.
        errors: class of error, how many runs of 24 hours, and of which jobs, the most frequent first.
        violations: job and rule, and how many runs of 24 hours violated it.
        alerts: what fires.
        now: Unix time in seconds.
    """

    filters: Filters
    rows: Sequence[Row]
    jobs: Part[Sequence[JobState]]
    entries: Part[Any]
    matching: int
    runs: Part[Mapping[Who, Sequence[Run]]]
    numbers: Part[Mapping[str, float]]
    errors: Part[Sequence[tuple[str, int, Sequence[str]]]]
    violations: Part[Mapping[tuple[Who, str], int]]
    alerts: Part[Sequence[Firing]]
    now: float

    shown = SHOWN

    @property
    def chosen(self) -> list[JobState]:
        """The jobs of the chosen service and environment."""
        return [
            job
            for job in self.jobs.content or ()
            if self.filters.service in ("", job.service) and self.filters.environment in ("", job.environment)
        ]

    @property
    def attention(self) -> int:
        """How many of them failed or are overdue."""
        return sum(map(_needs_attention, self.chosen))

    @property
    def refreshes(self) -> bool:
        """Whether something runs."""
        return any(job.running for job in self.jobs.content or ())

    @property
    def pages(self) -> int:
        """How many pages the list has."""
        return -(-self.matching // PAGE)

    @property
    def services(self) -> list[str]:
        """Services that a filter can select."""
        return sorted({job.service for job in self.jobs.content or () if job.service})

    @property
    def environments(self) -> list[str]:
        """Environments that a filter can select."""
        return sorted({job.environment for job in self.jobs.content or () if job.environment})


def fleet(sources: Sources, filters: Filters, now: float) -> Fleet:
    """Return the page of all jobs at a time, Unix time in seconds."""
    prometheus, engine, history = sources.prometheus, sources.engine, sources.history.once()
    # Of the chosen service and environment is all of the page, of the other filters its list of jobs.
    chosen = {"job": filters.service, "deployment_environment_name": filters.environment}
    labels = {key: text for key, text in chosen.items() if text}
    found = parts(
        states=lambda: sources.states(now),
        numbers=lambda: last_day.numbers(prometheus, engine, labels),
        errors=lambda: last_day.errors(prometheus, engine, labels),
        violations=lambda: last_day.violations(prometheus, engine, labels=labels),
        alerts=lambda: [one for one in sources.alerts() if labels.items() <= one.labels.items()],
        runs=lambda: _recent(history.runs(Selection(now - LISTED, LATEST), _SHARED)),
    )
    found["jobs"], found["entries"] = found.pop("states").content or (NOTHING, NOTHING)
    matching = [job for job in found["jobs"].content or () if filters.match(job)]
    shown = matching[(filters.page - 1) * PAGE : filters.page * PAGE]
    return Fleet(
        filters=filters,
        rows=_rows(shown, found, history, now),
        matching=len(matching),
        now=now,
        **found,
    )


def _needs_attention(job: JobState) -> bool:
    return job.overdue or job.state in FAILED


def _rows(shown: Sequence[JobState], found: Mapping[str, Part[Any]], history: History, now: float) -> list[Row]:
    runs: Mapping[Who, Sequence[Run]] | None = found["runs"].content
    whole = runs is not None and sum(map(len, runs.values())) < _SHARED
    rare = {} if runs is None or whole else _of_rare_jobs(shown, runs, history, now)
    broken = Counter[Who]()
    for (who, _), count in (found["violations"].content or {}).items():
        broken[who] += count
    rows = []
    for job in shown:
        last = rare.get(job.who) or (runs or {}).get(job.who, ())
        firing = [one for one in found["alerts"].content or () if about(one, job)]
        rows.append(Row(job, durations(last[:RECENT]) if last else None, broken[job.who], firing))
    return rows


def _recent(runs: Iterable[Run]) -> Mapping[Who, Sequence[Run]]:
    of_jobs: dict[Who, list[Run]] = defaultdict(list)
    for run in runs:
        of_jobs[run.identity.label, run.identity.environment, run.identity.job_label].append(run)
    return of_jobs


def _of_rare_jobs(
    shown: Sequence[JobState], runs: Mapping[Who, Sequence[Run]], history: History, now: float
) -> Mapping[Who, Sequence[Run]]:
    """Return the runs of jobs that run so rarely that busier ones fill the list before theirs."""
    rare = [job for job in shown if len(runs.get(job.who, ())) < RECENT]
    reads = {
        str(index): partial(history.runs, of_job(job, now), RECENT)
        for index, job in enumerate(rare)
        if job.since is not None
    }
    found = parts(**reads) if reads else {}
    return {rare[int(index)].who: one.content for index, one in found.items() if one.content}


def of_job(job: JobState, now: float) -> Selection:
    """Return the runs of a job as far back as lists go."""
    if job.since is None:
        # One of the catalogue that has no series: it may have runs all the same.
        return Selection(now - LISTED, LATEST, job.name)
    return Selection(now - LISTED, LATEST, job.name, service=job.service, environment=job.environment)
