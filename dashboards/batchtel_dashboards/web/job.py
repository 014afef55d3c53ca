"""The page of a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from batchtel.base.identity import bounded
from batchtel.catalogue.deadline import Deadline
from batchtel.catalogue.keys import CatalogueJob
from batchtel_dashboards import queries
from batchtel_dashboards.history.due import written
from batchtel_dashboards.history.job import WINDOW, JobState, about
from batchtel_dashboards.history.run import Run
from batchtel_dashboards.history.selection import LISTED, Selection
from batchtel_dashboards.history.text import LATEST, span
from batchtel_dashboards.stores import Firing
from batchtel_dashboards.web import last_day
from batchtel_dashboards.web.charts import Chart, durations, numbers
from batchtel_dashboards.web.fleet import of_job
from batchtel_dashboards.web.sources import NOTHING, Part, Sources, part, parts

RUNS: Final = 100
"""Runs that are drawn and listed."""


class StepState(NamedTuple):
    """A step of a job within 7 days: how many ended and failed, its median duration, and its records."""

    name: str
    ended: int
    failed: int
    median: float | None
    read: int
    written: int
    retries: int


@dataclass(frozen=True)
class Job:
    """All that the page shows.

    Attributes:
        name: of the job.
        states: the job in each service and environment that match.
        state: the one whose runs are shown; None if there are several or none.
        entry: of the catalogue; None without one.
        runs: its last runs, newest first.
        charts: durations, records, quality of these.
        steps: its steps.
        violations: rule -> runs of 7 days that violated it.
        retries: attempts of 7 days after the first.
        alerts: what fires for it.
        now: Unix time in seconds.
    """

    name: str
    states: Part[Sequence[JobState]]
    state: JobState | None
    entry: Part[CatalogueJob]
    runs: Part[Sequence[Run]]
    charts: Sequence[Chart]
    steps: Part[Sequence[StepState]]
    violations: Part[Mapping[str, int]]
    retries: Part[int]
    alerts: Part[Sequence[Firing]]
    now: float

    @property
    def expectations(self) -> Iterator[tuple[str, str]]:
        """What the catalogue expects, by name."""
        entry = self.entry.content or CatalogueJob()
        if entry.schedule is not None:
            every, cron = entry.schedule.every, entry.schedule.cron
            yield "Schedule", f"every {span(every)}" if cron is None else f"{written(cron)}, {entry.schedule.timezone}"
        for field, value in (entry.sla._asdict() if entry.sla is not None else {}).items():
            if value is not None:
                yield f"SLA, {field.replace('_', ' ')}", _expected(field, value)

    @property
    def refreshes(self) -> bool:
        """Whether one of its runs is live."""
        return self.state is not None and self.state.running > 0

    @property
    def has_runs(self) -> bool:
        """Whether runs are shown, or the problem that prevents it."""
        return self.runs is not NOTHING


def job(sources: Sources, name: str, service: str | None, environment: str | None, now: float) -> Job:
    """Return the page of a job; without service and environment it may be in several of them, which are listed."""
    found, entries = sources.states(now, name)
    matching = [
        one
        for one in found.content or ()
        if service in (None, "", one.service) and environment in (None, one.environment)
    ]
    entry = Part(_entry(entries.content or {}, name), entries.problem)
    if not matching:
        # The runs are in another store, so they are there without Prometheus, and longer than its series.
        wanted = Selection(now - LISTED, LATEST, name, service=service or None, environment=environment)
        runs = part(lambda: sources.history.runs(wanted, RUNS))
        if found.content is None or runs.content or runs.problem:
            return Job(name, found, None, entry, runs, _charts(runs), NOTHING, NOTHING, NOTHING, NOTHING, now)
    if len(matching) != 1:
        return Job(name, Part(matching), None, entry, NOTHING, (), NOTHING, NOTHING, NOTHING, NOTHING, now)
    state = matching[0]
    where = {"job_name": bounded(state.name), "job": state.service, "deployment_environment_name": state.environment}
    labels = {key: text for key, text in where.items() if text or key == "deployment_environment_name"}
    read = parts(
        runs=lambda: sources.history.runs(of_job(state, now), RUNS),
        steps=lambda: _steps(sources, labels),
        violations=lambda: _violations(sources, labels),
        retries=lambda: round(sources.prometheus.value(_added("batch.job.retries", sources, labels))),
        alerts=lambda: [one for one in sources.alerts() if about(one, state)],
    )
    return Job(name, Part(matching), state, entry, charts=_charts(read["runs"]), now=now, **read)


def _charts(read: Part[Sequence[Run]]) -> list[Chart]:
    runs = read.content or ()
    charts = (
        durations(runs),
        numbers("records processed", "batch.records.processed", runs),
        numbers("records failed", "batch.records.failed", runs),
        numbers("data quality", "batch.data_quality.score", runs, top=1.0),
    )
    return [chart for chart in charts if chart is not None] if runs else []


def _entry(entries: Mapping[str, CatalogueJob], name: str) -> CatalogueJob:
    return next((one for key, one in entries.items() if name in (key, bounded(key))), CatalogueJob())


def _added(metric: str, sources: Sources, labels: Mapping[str, str], *by: str) -> str:
    return queries.added(metric, WINDOW, by=by, labels=labels, engine=sources.engine)


def _violations(sources: Sources, labels: Mapping[str, str]) -> Mapping[str, int]:
    found = last_day.violations(sources.prometheus, sources.engine, WINDOW, labels)
    return {rule: count for (_, rule), count in found.items()}


def _steps(sources: Sources, labels: Mapping[str, str]) -> Sequence[StepState]:
    def by_step(query: str) -> dict[str, float]:
        return {row.labels.get("step_name", ""): row.value for row in sources.prometheus.query(query)}

    ended = by_step(_added("batch.step.completions", sources, labels, "step_name"))
    failed = by_step(_added("batch.step.completions", sources, {**labels, "status": queries.FAILED}, "step_name"))
    read, written = (by_step(_added(f"batch.step.records.{one}", sources, labels, "step_name")) for one in _RECORDS)
    retries = by_step(_added("batch.step.retries", sources, labels, "step_name"))
    by, engine = ("step_name",), sources.engine
    medians = by_step(queries.quantile("batch.step.duration", 0.5, WINDOW, by=by, labels=labels, engine=engine))
    return [
        StepState(
            name,
            round(ended[name]),
            round(failed.get(name, 0.0)),
            median if (median := medians.get(name)) == median else None,
            *(round(one.get(name, 0.0)) for one in (read, written, retries)),
        )
        for name in sorted(ended)
    ]


_RECORDS: Final = ("read", "written")


def _expected(rule: str, value: Any) -> str:
    if isinstance(value, Deadline):
        return f"{value.time[0]:02}:{value.time[1]:02} {value.timezone}"
    if rule == "min_records":
        return f"{value:,}"
    return f"{value:.2%}" if rule == "max_failure_rate" else span(value)
