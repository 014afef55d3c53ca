"""The alerts about jobs that should have run: by their schedules and deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from batchtel.catalogue.keys import CANARY
from batchtel_dashboards import queries
from batchtel_dashboards.alerts.alert import Alert, Condition, Job
from batchtel_dashboards.alerts.scopes import each
from batchtel_dashboards.alerts.texts import JOB, WHERE, duration
from batchtel_dashboards.engines import Engine

EXPIRY: Final = 35 * 86400
"""Seconds for which metrics are kept: the time of an older success is not there to compare with."""

_NEVER: Final = "No run of the job has ever reported a state; it is in the catalogue with a"


def _not_run(job: Job, engine: Engine) -> Iterator[Condition]:
    """Yield two rules: the last success is too old, or there is none since then; and no run has ever started."""
    if job.gap is None or job.name == CANARY or (limit := round(job.gap + grace(job))) > EXPIRY:
        return
    text = f"The job has not succeeded for more than {duration(limit)}, the longest gap of its schedule and the grace "
    old = f"({_too_old(job, limit, engine)}) or ({_without_success(job, limit, engine)})"
    yield Condition(old, {"reason": "no_success"}, description=f"{text}({WHERE}).")
    yield _never(job, limit, f"{_NEVER} schedule.", engine)


def _missing(job: Job, engine: Engine) -> Iterator[Condition]:
    """Yield two rules for the canary: its last success is too old; and nothing of it is there at all."""
    if job.gap is None or job.name != CANARY:
        return
    limit = round(job.gap + grace(job))
    text = f"`batchtel doctor` has not succeeded for more than {duration(limit)} ({WHERE})."
    old = f"({_too_old(job, limit, engine)}) or ({_without_success(job, limit, engine)})"
    yield Condition(old, {"reason": "no_success"}, description=text)
    yield _never(job, limit, "No run of `batchtel doctor` is in Prometheus, for 6 hours at least.", engine)


def _deadline(job: Job, engine: Engine) -> Iterator[Condition]:
    """Yield the rules of a deadline: the run that was due before it has not succeeded, or none was ever reported."""
    if job.deadline is None:
        return
    success = queries.succeeded({"job_name": job.name}, engine=engine)
    late = " or ".join(f"({success} < {due})" for due in job.deadline.due())
    none = _without_success(job, 86400, engine)
    text = f"The run that was due before {job.deadline.text} ({job.deadline.timezone}) has not succeeded"
    yield Condition(f"({late}) or ({none})", {"reason": "no_success"}, description=f"{text} ({WHERE}).")
    if job.gap is None:
        yield _never(job, 86400, f"{_NEVER} deadline.", engine)


def _too_old(job: Job, limit: int, engine: Engine) -> str:
    return f"time() - {queries.succeeded({'job_name': job.name}, engine=engine)} > {limit}"


def _without_success(job: Job, limit: int, engine: Engine) -> str:
    labels = {"job_name": job.name}
    seen = queries.first_seen_before(f"{limit}s", labels, engine=engine)
    return f"time() - ({seen} unless {queries.had_succeeded(f'{limit}s', labels, engine=engine)}) > 0"


def _never(job: Job, wait: int, text: str, engine: Engine) -> Condition:
    expr = queries.never_seen({"job_name": job.name}, engine=engine)
    return Condition(expr, {"reason": "never_ran"}, wait, text)


def grace(job: Job) -> float:
    """Return the seconds by which a run may succeed later than the longest gap of its schedule.

    It is the longest duration that the catalogue allows, 10 minutes at least, else half the gap, from 10 minutes to 6
    hours: a run of a second may start a minute late.
    """
    return max(job.max_duration or min((job.gap or 0) / 2, 21600.0), 600.0)


ALERTS: Final = (
    Alert(
        "BatchDeadlineMissed",
        "critical",
        "A job has not succeeded by the deadline of the catalogue: it failed, still runs, or did not start.",
        f"{JOB} missed its deadline",
        "",
        each(_deadline),
        keep=300,
        by_absence=True,
    ),
    Alert(
        "BatchCanaryMissing",
        "critical",
        "The canary of the pipeline, `batchtel doctor` by a schedule, has not succeeded in time.",
        f"{JOB}: the canary of the pipeline is missing",
        "",
        each(_missing),
        keep=900,
    ),
    Alert(
        "BatchNotRunRecently",
        "warning",
        "A job has no success for longer than its schedule allows, or has never run.",
        f"{JOB} has not succeeded in time",
        "",
        each(_not_run),
        keep=900,
        by_absence=True,
    ),
)
"""In the order in which they are listed."""
