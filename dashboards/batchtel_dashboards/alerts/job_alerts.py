"""The alerts about jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from batchtel.schema import signals
from batchtel_dashboards import collector_queries, panel_queries, queries, rules
from batchtel_dashboards.alerts.alert import Alert, Condition, Job, Jobs
from batchtel_dashboards.alerts.scopes import any_of, each, every_job
from batchtel_dashboards.alerts.texts import JOB, WHERE, duration
from batchtel_dashboards.engines import Engine
from batchtel_dashboards.queries import Pattern

FAILURES: Final = 0.05
"""Share of failed runs within an hour above which BatchHighFailureRate fires."""

_CERTAIN: Final = 180
"""Seconds for which a run looks lost before the alert fires. Parallel runs of less than 2 minutes count as fewer live
ones than they are, but never for as long as the 2 minutes of which heartbeats are added, and a heartbeat's delay."""


def _violated(labels: Mapping[str, str], engine: Engine) -> str:
    by = (*queries.WHO["job"], "violation_type")
    return f"{queries.added('batch.job.sla.violations', '1h', by=by, labels=labels, engine=engine)} > 0"


def _violations(jobs: Jobs, engine: Engine) -> Iterator[Condition]:
    """Yield the rules for every job; BatchDeadlineMissed is about the deadlines of the catalogue."""
    expected = [job.name for job in jobs if job.deadline]
    labels = {"job_name": Pattern(any_of(expected)), "violation_type": "deadline_missed"}
    by = (*queries.WHO["job"], "violation_type")
    missed = queries.added("batch.job.sla.violations", "1h", by=by, labels=labels, engine=engine)
    for condition in every_job(_violated)(jobs, engine):
        yield condition._replace(expr=f"({condition.expr}) unless ({missed})") if expected else condition


def _lost(labels: Mapping[str, str], engine: Engine) -> str:
    reported = queries.added(
        "batch.job.completions",
        "1h",
        by=queries.WHO["job"],
        labels={**labels, "status": "lost"},
        engine=engine,
    )
    overflowed = collector_queries.overflowed("1h")
    # Ends in an overflow series belong to no job any more.
    return f"(({queries.lost('1h', labels, engine=engine)} > 0) unless on () ({overflowed} > 0)) or ({reported} > 0)"


def _silent(labels: Mapping[str, str], engine: Engine) -> str:
    # Without the label `state`: a change to `retrying` is no second alert.
    by = ", ".join(queries.WHO["job"])
    return f"time() - max by ({by}) ({queries.silent('job', labels, engine=engine)}) > 0"


def _failing(labels: Mapping[str, str], engine: Engine) -> str:
    share = panel_queries.share_of_ended(queries.FAILED, "1h", by=queries.WHO["job"], labels=labels, engine=engine)
    return f"{share} > {FAILURES}"


def _too_long(job: Job, engine: Engine) -> Iterator[Condition]:
    """Yield the rule of a limit: a run goes on for longer, or the job itself has reported that one was longer."""
    if job.max_duration is None:
        return
    by, labels = ", ".join(queries.WHO["job"]), {"job_name": job.name}
    started = f"max by ({by}) ({queries.last_reached('job', 'running', labels, engine=engine)})"
    live = f"max by ({by}) ({queries.live('job', labels, engine=engine)}) > 0"
    breach = {**labels, "violation_type": "duration_exceeded"}
    reported = queries.added("batch.job.sla.violations", "1h", by=queries.WHO["job"], labels=breach, engine=engine)
    ends = Pattern("|".join(signals.STATUSES))
    ended = f"max by ({by}) ({queries.last_reached('job', ends, labels, engine=engine)})"
    # A run that has ended seems to be live for up to 2 minutes; the job itself reports earlier than that. One whose
    # records arrive late, from a spool, has both its start and its end.
    limit = job.max_duration + rules.LIVE
    goes_on = f"((time() - {started} > {limit:g}) and ({live})) unless ({ended} >= {started})"
    expr = f"({goes_on}) or ({reported} > 0)"
    text = f"A run goes on for longer than {duration(round(job.max_duration))}, or did within the last hour ({WHERE})."
    yield Condition(expr, description=text)


ALERTS: Final = (
    Alert(
        "BatchSLAViolation",
        "critical",
        "A run has violated a rule of its SLA within the last hour.",
        f"{JOB} violated its SLA: {{{{ $labels.violation_type }}}}",
        f"{{{{ $value | humanize }}}} runs of the last hour violated {{{{ $labels.violation_type }}}} ({WHERE}).",
        _violations,
        keep=900,
    ),
    Alert(
        "BatchRunLost",
        "critical",
        "A run started, reported no end and has no heartbeats: its process was killed.",
        f"{JOB}: a run is lost",
        f"{{{{ $value | humanize }}}} runs of the last hour started and did not report an end ({WHERE}).",
        every_job(_lost, _CERTAIN),
        keep=900,
        by_absence=True,
    ),
    Alert(
        "BatchHeartbeatMissing",
        "critical",
        "A job runs by its latest state, and its heartbeats have stopped.",
        f"{JOB}: no heartbeat",
        f"The job runs for {{{{ $value | humanizeDuration }}}}, and its heartbeats have stopped ({WHERE}).",
        # Later than BatchRunLost, which mutes it.
        every_job(_silent, _CERTAIN + 60),
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
