"""The jobs that ran, and those that should: their state now and their last week, by metrics and the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from batchtel.base.identity import bounded
from batchtel.catalogue.keys import CatalogueJob
from batchtel_dashboards import panel_queries, queries
from batchtel_dashboards.alerts.expected import jobs as expected_jobs
from batchtel_dashboards.alerts.schedule_alerts import grace
from batchtel_dashboards.engines import Engine
from batchtel_dashboards.history.due import next_due
from batchtel_dashboards.history.run import moment
from batchtel_dashboards.stores import Firing, Prometheus

WINDOW: Final = "7d"
"""The time that success rate, median and number of runs are of."""

NEVER: Final = "never"
"""State of a job of the catalogue that has no series."""

FAILED: Final = ("failure", "timeout", "lost", "dead_letter")
"""States of a job whose last run has not done what it is for."""

LIVE_STATES: Final = ("running", "retrying")
"""States of a job one of whose runs is live."""

_BY: Final = tuple(queries.WHO["job"])

Who = tuple[str, str, str]
"""Service, environment and name of a job, as in _BY."""


@dataclass(frozen=True)
class JobState:
    """A job of a service and an environment; both are "" for one that has never run.

    Attributes:
        name: of the job.
        service: as the label `job` of metrics has it.
        environment: "" without one.
        state: the state that it entered last, or NEVER.
        since: when that was, Unix time in seconds; None if never.
        last_success: Unix time in seconds; None if there is none as far as metrics reach.
        running: how many of its runs are live; 1 at least in LIVE_STATES.
        runs: how many ended within WINDOW.
        success_rate: share of them that succeeded; None if none ended.
        median: seconds that half of them did not exceed; None if none ended.
        owner: of the catalogue, "" without.
        next_due: Unix time in seconds; None without a schedule, or while paused.
        overdue: whether it has not succeeded for longer than its schedule and the grace allow, or has never run.
        paused: whether the catalogue expects no run.
    """

    name: str
    service: str
    environment: str
    state: str
    since: float | None
    last_success: float | None
    running: int
    runs: int
    success_rate: float | None
    median: float | None
    owner: str = ""
    next_due: float | None = None
    overdue: bool = False
    paused: bool = False

    @property
    def who(self) -> Who:
        """What identifies it."""
        return self.service, self.environment, self.name

    def document(self) -> dict[str, Any]:
        """Return it as one JSON object; times in ISO 8601."""
        return {
            "job": self.name,
            "service": self.service or None,
            "environment": self.environment or None,
            "state": self.state,
            "since": _moment(self.since),
            "last_success": _moment(self.last_success),
            "running": self.running,
            "runs_7d": self.runs,
            "success_rate_7d": self.success_rate,
            "median_duration_7d": self.median,
            "owner": self.owner or None,
            "next_due": _moment(self.next_due),
            "overdue": self.overdue,
            "paused": self.paused,
        }


def about(alert: Firing, job: JobState) -> bool:
    """Return whether an alert is about a job; one without a service is about the job in each of them."""
    wanted = {"job_name": job.name, "job": job.service, "deployment_environment_name": job.environment}
    return "job_name" in alert.labels and all(
        alert.labels.get(key, "") in (("", value) if key != "job_name" else (value,)) for key, value in wanted.items()
    )


def states(
    prometheus: Prometheus, engine: Engine, catalogue: Mapping[str, CatalogueJob], now: float, name: str | None = None
) -> list[JobState]:
    """Return each job that has run or is in the catalogue: what needs a look first, then by name.

    Args:
        prometheus: the store of metrics.
        engine: how counts are read.
        catalogue: the jobs that are expected, by name.
        now: Unix time in seconds.
        name: only this job.

    Raises:
        StoreError: Prometheus does not answer.
        batchtel.catalogue.zones.NoZonesError: this machine has no database of time zones, and a schedule needs it.
    """
    labels = {"job_name": bounded(name)} if name is not None else {}
    found = _Found(prometheus, engine, labels)
    entries = {bounded(key): key for key in catalogue if name in (None, key, bounded(key))}
    limits = {job.name: job.gap + grace(job) for job in expected_jobs(catalogue) if job.gap is not None}
    rows = []
    for who, (state, since) in found.latest.items():
        key = entries.get(who[2])
        entry = catalogue[key] if key is not None else None
        rows.append(_state(who, state, since, found, entry, limits.get(who[2]), now))
    ran = {row.name for row in rows}
    for label, key in entries.items():
        if label not in ran:
            rows.append(_never(key, catalogue[key], now))
    return sorted(rows, key=_order)


class _Found:
    """What Prometheus has of all jobs: each query once."""

    def __init__(self, prometheus: Prometheus, engine: Engine, labels: Mapping[str, str]) -> None:
        def ask(query: str) -> Mapping[Who, float]:
            return {who(row.labels): row.value for row in prometheus.query(query)}

        self._ask, self._engine, self._labels = ask, engine, labels
        self._seen_before: dict[float, Mapping[Who, float]] = {}
        self.latest: dict[Who, tuple[str, float]] = {}
        for row in prometheus.query(queries.current_state("job", labels, engine=engine)):
            state, entered = row.labels.get("state", ""), row.value
            # A job that runs with two types has a state for each.
            if entered >= self.latest.get(who(row.labels), ("", 0.0))[1]:
                self.latest[who(row.labels)] = (state, entered)
        self.succeeded = ask(_widest(queries.succeeded(labels, engine=engine)))
        self.started = ask(_widest(queries.last_reached("job", "running", labels, engine=engine)))
        self.live = ask(f"sum by ({', '.join(_BY)}) ({queries.live('job', labels, engine=engine)})")
        self.ended = ask(queries.added("batch.job.completions", WINDOW, by=_BY, labels=labels, engine=engine))
        self.share = ask(panel_queries.share_of_ended("success", WINDOW, by=_BY, labels=labels, engine=engine))
        self.median = ask(queries.quantile("batch.job.duration", 0.5, WINDOW, by=_BY, labels=labels, engine=engine))

    def overdue(self, who: Who, limit: float, now: float) -> bool:
        """Return whether a job has not succeeded for `limit` seconds, though it was there before."""
        if (success := self.succeeded.get(who)) is not None:
            return now - success > limit
        # Many jobs have the same schedule: one query for each limit.
        if limit not in self._seen_before:
            query = queries.first_seen_before(f"{round(limit)}s", self._labels, engine=self._engine)
            self._seen_before[limit] = self._ask(query)
        return who in self._seen_before[limit]


def _widest(query: str) -> str:
    return f"max by ({', '.join(_BY)}) ({query})"


def who(labels: Mapping[str, str]) -> Who:
    """Return what identifies the job of a series or an alert."""
    service, environment, name = (labels.get(key, "") for key in _BY)
    return service, environment, name


def _state(
    who: Who, state: str, since: float, found: _Found, entry: CatalogueJob | None, limit: float | None, now: float
) -> JobState:
    success, median = found.succeeded.get(who), found.median.get(who)
    return JobState(
        name=who[2],
        service=who[0],
        environment=who[1],
        state=state,
        since=since,
        last_success=success,
        # A DAG has no heartbeats: its state is all that is there.
        running=max(round(found.live.get(who, 0.0)), int(state in LIVE_STATES)),
        runs=round(found.ended.get(who, 0.0)),
        success_rate=found.share.get(who),
        # No run has ended within the window: Prometheus returns NaN.
        median=median if median == median else None,
        overdue=limit is not None and found.overdue(who, limit, now),
        **_planned(entry, now, found.started.get(who)),
    )


def _never(name: str, entry: CatalogueJob, now: float) -> JobState:
    nothing: dict[str, Any] = {"service": "", "environment": "", "since": None, "last_success": None, "running": 0}
    nothing |= {"runs": 0, "success_rate": None, "median": None}
    # The alert fires for it, too.
    overdue = entry.schedule is not None and not entry.paused
    return JobState(name=name, state=NEVER, overdue=overdue, **nothing, **_planned(entry, now, None))


def _planned(entry: CatalogueJob | None, now: float, last_start: float | None) -> dict[str, Any]:
    if entry is None:
        return {}
    due = None
    if entry.schedule is not None and not entry.paused:
        due = next_due(entry.schedule, now, last_start)
    return {"owner": entry.owner, "paused": entry.paused, "next_due": due}


def _order(row: JobState) -> tuple[bool, bool, str, str, str]:
    return not row.overdue, row.state not in FAILED, row.name, row.environment, row.service


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else moment(seconds)
