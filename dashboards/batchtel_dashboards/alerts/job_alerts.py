"""The alerts about jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from batchtel_dashboards import panel_queries, queries
from batchtel_dashboards.alerts.alert import Alert, Condition, Job
from batchtel_dashboards.alerts.scopes import each, every_job
from batchtel_dashboards.alerts.texts import JOB, WHERE, duration
from batchtel_dashboards.engines import Engine

FAILURES: Final = 0.05
"""Share of failed runs within an hour above which BatchHighFailureRate fires."""

EXPIRY: Final = 35 * 86400
"""Seconds for which metrics are kept: the time of an older success is not there to compare with."""


def _violated(labels: Mapping[str, str], engine: Engine) -> str:
    by = (*queries.WHO["job"], "violation_type")
    return f"{queries.added('batch.job.sla.violations', '1h', by=by, labels=labels, engine=engine)} > 0"


def _lost(labels: Mapping[str, str], engine: Engine) -> str:
    reported = queries.added(
        "batch.job.completions",
        "1h",
        by=queries.WHO["job"],
        labels={**labels, "status": "lost"},
        engine=engine,
    )
    return f"({queries.lost('1h', labels, engine=engine)} > 0) or ({reported} > 0)"


def _silent(labels: Mapping[str, str], engine: Engine) -> str:
    # Without the label `state`: a change to `retrying` is no second alert.
    by = ", ".join(queries.WHO["job"])
    return f"time() - max by ({by}) ({queries.silent('job', labels, engine=engine)}) > 0"


def _failing(labels: Mapping[str, str], engine: Engine) -> str:
    share = panel_queries.share_of_ended(queries.FAILED, "1h", by=queries.WHO["job"], labels=labels, engine=engine)
    return f"{share} > {FAILURES}"


def _not_run(job: Job, engine: Engine) -> Iterator[Condition]:
    """Yield two rules: the last success is too old, or there is none since then; and no run has ever started."""
    if job.gap is None or (limit := round(job.gap + grace(job))) > EXPIRY:
        return
    labels = {"job_name": job.name}
    success = queries.succeeded(labels, engine=engine)
    old = f"time() - {success} > {limit}"
    none = f"time() - ({queries.first_seen_before(f'{limit}s', labels, engine=engine)} unless {success}) > 0"
    text = f"The job has not succeeded for more than {duration(limit)}, the longest gap of its schedule and the grace "
    yield Condition(f"({old}) or ({none})", {"reason": "no_success"}, description=f"{text}({WHERE}).")
    never = "No run of the job has ever reported a state; it is in the catalogue with a schedule."
    yield Condition(queries.never_seen(labels, engine=engine), {"reason": "never_ran"}, limit, never)


def _too_long(job: Job, engine: Engine) -> Iterator[Condition]:
    """Yield the rule of a limit: a run goes on for longer, or the job itself has reported that one was longer."""
    if job.max_duration is None:
        return
    by, labels = ", ".join(queries.WHO["job"]), {"job_name": job.name}
    started = f"max by ({by}) ({queries.last_reached('job', 'running', labels, engine=engine)})"
    live = f"max by ({by}) ({queries.live('job', labels, engine=engine)}) > 0"
    breach = {**labels, "violation_type": "duration_exceeded"}
    reported = queries.added("batch.job.sla.violations", "1h", by=queries.WHO["job"], labels=breach, engine=engine)
    expr = f"((time() - {started} > {job.max_duration:g}) and ({live})) or ({reported} > 0)"
    text = f"A run goes on for longer than {duration(round(job.max_duration))}, or did within the last hour ({WHERE})."
    yield Condition(expr, description=text)


def grace(job: Job) -> float:
    """Return the seconds by which a run may succeed later than the longest gap of its schedule.

    It is the longest duration that the catalogue allows, 10 minutes at least, else half the gap, from 10 minutes to 6
    hours: a run of a second may start a minute late.
    """
    return max(job.max_duration or min((job.gap or 0) / 2, 21600.0), 600.0)


ALERTS: Final = (
    Alert(
        "BatchSLAViolation",
        "critical",
        "A run has violated a rule of its SLA within the last hour.",
        f"{JOB} violated its SLA: {{{{ $labels.violation_type }}}}",
        f"{{{{ $value | humanize }}}} runs of the last hour violated {{{{ $labels.violation_type }}}} ({WHERE}).",
        every_job(_violated),
        keep=900,
    ),
    Alert(
        "BatchRunLost",
        "critical",
        "A run started, reported no end and has no heartbeats: its process was killed.",
        f"{JOB}: a run is lost",
        f"{{{{ $value | humanize }}}} runs of the last hour started and did not report an end ({WHERE}).",
        every_job(_lost, 60),
        keep=900,
        by_absence=True,
    ),
    Alert(
        "BatchHeartbeatMissing",
        "critical",
        "A job runs by its latest state, and its heartbeats have stopped.",
        f"{JOB}: no heartbeat",
        f"The job runs for {{{{ $value | humanizeDuration }}}}, and its heartbeats have stopped ({WHERE}).",
        every_job(_silent, 120),
        keep=300,
        by_absence=True,
    ),
    Alert(
        "BatchHighFailureRate",
        "critical",
        f"More than {FAILURES:.0%} of the runs that ended within the last hour failed, timed out or were lost.",
        f"{JOB}: {{{{ $value | humanizePercentage }}}} of runs failed",
        f"{{{{ $value | humanizePercentage }}}} of the last hour's runs failed, timed out or were lost ({WHERE}).",
        every_job(_failing),
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
    Alert(
        "BatchDurationSLABreach",
        "warning",
        "A run lasts longer than the catalogue allows, or has within the last hour.",
        f"{JOB} lasts too long",
        "",
        each(_too_long),
        keep=900,
    ),
)
"""In the order in which they are listed."""
