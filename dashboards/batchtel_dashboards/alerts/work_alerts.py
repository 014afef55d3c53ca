"""The alerts about what runs do: their records, data, retries and waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from batchtel_dashboards import panel_queries, queries
from batchtel_dashboards.alerts.alert import Alert, Condition, Job
from batchtel_dashboards.alerts.scopes import each, every_job
from batchtel_dashboards.alerts.texts import JOB, WHERE, duration
from batchtel_dashboards.engines import Engine

FAILED_RECORDS: Final = 0.05
"""Share of failed records within an hour above which BatchFailedRecordsHigh fires."""

RETRIES: Final = 10
"""Retries within an hour above which BatchRetryStorm fires."""

QUEUE_WAIT: Final = 900
"""Seconds that 95 % of the runs of an hour may wait before BatchQueueWaitHigh fires."""

QUALITY: Final = 0.9
"""Mean quality score of an hour below which BatchDataQualityLow fires."""

_STANDSTILL: Final = "15m"
"""Time without progress after which BatchZeroThroughput fires."""

_ALIVE: Final = 840
"""Seconds of heartbeats within that time: all but the last minute, which may not be exported yet."""

_SHORT: Final = 10800
"""Seconds within which a run is short enough to have processed its records."""

_USUAL: Final = "7d"
"""The time in which a job had records before: one that never has any is silent."""

_SCORE: Final = '{{ printf "%.2f" $value }}'

_BY: Final = queries.WHO["job"]
_ON: Final = f"on ({', '.join(_BY)})"


def _added(metric: str, window: str, labels: Mapping[str, str], engine: Engine) -> str:
    return f"({queries.added(metric, window, by=_BY, labels=labels, engine=engine)})"


def _rejecting(labels: Mapping[str, str], engine: Engine) -> str:
    failed = _added("batch.job.records.failed", "1h", labels, engine)
    processed = _added("batch.job.records.processed", "1h", labels, engine)
    return f"{failed} / (({failed} + ({processed} or {failed} * 0)) > 0) > {FAILED_RECORDS}"


def _green(labels: Mapping[str, str], engine: Engine) -> str:
    succeeded = _added("batch.job.completions", "1h", {**labels, "status": "success"}, engine)
    # Records may be reported long before the run ends.
    now = _added("batch.job.records.processed", f"{_SHORT}s", labels, engine)
    usually = queries.has_grown("batch.job.records.processed", _USUAL, labels, engine=engine)
    started = f"max by ({', '.join(_BY)}) ({queries.last_reached('job', 'running', labels, engine=engine)})"
    # A run of more hours may have processed its records before.
    empty = f"({succeeded} > 0) and {_ON} ({now} == 0) and {_ON} ({usually})"
    return f"({empty}) unless {_ON} (time() - {started} >= {_SHORT})"


def _standing(labels: Mapping[str, str], engine: Engine) -> str:
    alive = _added("batch.job.alive.time", _STANDSTILL, labels, engine)
    progress = _added("batch.job.progress", _STANDSTILL, labels, engine)
    usually = queries.has_grown("batch.job.progress", _USUAL, labels, engine=engine)
    # The seconds of parallel runs are added up: 20 of them have so many after a minute.
    before = queries.added("batch.job.alive.time", "5m", by=_BY, labels=labels, ago="10m", engine=engine)
    lasting = f"({alive} >= {_ALIVE}) and {_ON} ({before} > 0)"
    return f"{lasting} and {_ON} ({progress} == 0) and {_ON} ({usually})"


def _retrying(labels: Mapping[str, str], engine: Engine) -> str:
    return f"{_added('batch.job.retries', '1h', labels, engine)} > {RETRIES}"


def _waiting(labels: Mapping[str, str], engine: Engine) -> str:
    most = queries.quantile("batch.job.queue_wait", 0.95, "1h", by=_BY, labels=labels, engine=engine)
    return f"{most} > {QUEUE_WAIT}"


def _low(labels: Mapping[str, str], engine: Engine) -> str:
    mean = panel_queries.mean("batch.job.data_quality.score", "1h", by=_BY, labels=labels, engine=engine)
    return f"{mean} < {QUALITY}"


def _stale(job: Job, engine: Engine) -> Iterator[Condition]:
    """Yield the rule of a limit: the newest data of the job is older, whether it runs or not."""
    if job.max_data_age is None:
        return
    newest = f"max by ({', '.join(_BY)}) ({queries.newest_data({'job_name': job.name}, engine=engine)})"
    text = f"The newest data is {{{{ $value | humanizeDuration }}}} old; {duration(round(job.max_data_age))} is allowed"
    yield Condition(f"time() - {newest} > {job.max_data_age:g}", description=f"{text} ({WHERE}).")


ALERTS: Final = (
    Alert(
        "BatchGreenTick",
        "critical",
        "A job succeeded within the last hour and processed no record in 3 hours, which it did in the last 7 days.",
        f"{JOB} succeeded with no record",
        f"{{{{ $value | humanize }}}} runs succeeded within the last hour, and 3 hours have no record ({WHERE}).",
        every_job(_green),
        keep=900,
    ),
    Alert(
        "BatchFailedRecordsHigh",
        "warning",
        f"More than {FAILED_RECORDS:.0%} of the records of the last hour failed.",
        f"{JOB}: {{{{ $value | humanizePercentage }}}} of records failed",
        f"{{{{ $value | humanizePercentage }}}} of the last hour's records failed ({WHERE}).",
        every_job(_rejecting),
        keep=900,
    ),
    Alert(
        "BatchZeroThroughput",
        "critical",
        "A job sends heartbeats and has made no progress for 15 minutes, which it did in the last 7 days.",
        f"{JOB} makes no progress",
        f"The job has heartbeats, and has processed no record for 15 minutes ({WHERE}).",
        every_job(_standing),
        keep=300,
    ),
    Alert(
        "BatchRetryStorm",
        "warning",
        f"A job was retried more than {RETRIES} times within the last hour.",
        f"{JOB}: {{{{ $value | humanize }}}} retries within an hour",
        f"{{{{ $value | humanize }}}} attempts of the last hour were retries ({WHERE}).",
        every_job(_retrying),
        keep=900,
    ),
    Alert(
        "BatchQueueWaitHigh",
        "warning",
        f"5% of the runs of the last hour waited for more than {QUEUE_WAIT // 60} minutes to start.",
        f"{JOB} waits to start",
        f"95% of the last hour's runs waited up to {{{{ $value | humanizeDuration }}}} to start ({WHERE}).",
        every_job(_waiting),
        keep=900,
    ),
    Alert(
        "BatchDataStale",
        "warning",
        "The newest data of a job is older than the catalogue allows.",
        f"{JOB}: data is stale",
        "",
        each(_stale),
        keep=900,
        by_absence=True,
    ),
    Alert(
        "BatchDataQualityLow",
        "warning",
        f"The mean quality score of the last hour is below {QUALITY}.",
        f"{JOB}: quality score {_SCORE}",
        f"The mean quality score of the last hour is {_SCORE}, below {QUALITY} ({WHERE}).",
        every_job(_low),
        keep=900,
    ),
)
"""In the order in which they are listed."""
