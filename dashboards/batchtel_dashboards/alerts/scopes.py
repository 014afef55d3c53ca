"""Which jobs share a rule: those of one owner and team, and all that are in no catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from batchtel_dashboards.alerts.alert import Condition, Job, Jobs
from batchtel_dashboards.engines import Engine
from batchtel_dashboards.queries import Excluded, Pattern

Query = Callable[[Mapping[str, str], Engine], str]
"""PromQL for the series with some labels."""


def every_job(query: Query, wait: int = 0) -> Callable[[Jobs, Engine], Iterator[Condition]]:
    """Return the rules of an alert for every job: one for each owner and team, and one for all other jobs."""

    def conditions(jobs: Jobs, engine: Engine) -> Iterator[Condition]:
        owned = [job for job in jobs if job.whose]
        for whose in sorted({tuple(job.whose.items()) for job in owned}):
            names = [job.name for job in owned if tuple(job.whose.items()) == whose]
            yield Condition(query({"job_name": Pattern(any_of(names))}, engine), dict(whose), wait)
        rest = {"job_name": Excluded(any_of([job.name for job in owned]))} if owned else {}
        yield Condition(query(rest, engine), {}, wait)

    return conditions


def each(of: Callable[[Job, Engine], Iterator[Condition]]) -> Callable[[Jobs, Engine], Iterator[Condition]]:
    """Return the rules of an alert with a limit of its own for each job of the catalogue."""

    def conditions(jobs: Jobs, engine: Engine) -> Iterator[Condition]:
        for job in jobs:
            for condition in of(job, engine):
                labels = {"job_name": job.name, **job.whose, **condition.labels}
                yield condition._replace(labels=labels)

    return conditions


def pipeline(expr: str, wait: int = 0) -> Callable[[Jobs, Engine], Iterator[Condition]]:
    """Return the one rule of an alert about the collectors."""

    def conditions(jobs: Jobs, engine: Engine) -> Iterator[Condition]:
        yield Condition(expr, {}, wait)

    return conditions


def any_of(names: list[str]) -> str:
    """Return a regular expression that matches each of these names."""
    return "|".join(re.escape(name) for name in names)
