"""The alerts about jobs that do not behave as they did before; no limit needs to be configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from batchtel_dashboards import baselines, queries, rules
from batchtel_dashboards.alerts.alert import Alert, Record
from batchtel_dashboards.alerts.scopes import every_job
from batchtel_dashboards.alerts.texts import JOB, WHERE
from batchtel_dashboards.engines import Engine

TIMES: Final = 2
"""How many times as long as the longest earlier mean a run lasts before BatchDurationAnomaly fires."""

LONGER: Final = 60
"""Seconds by which it has to be longer, at least."""

SHARE: Final = 0.5
"""Share of the fewest records of earlier runs below which BatchThroughputDrop fires."""

FEWER: Final = 100
"""Records by which a run has to have fewer, at least."""

_BY: Final = ", ".join(queries.WHO["job"])


def records(engine: Engine) -> Iterator[Record]:
    """Yield the recording rules that the alerts read."""
    yield from (Record(name, expr) for name, expr in baselines.means(engine))


def _longer(labels: Mapping[str, str], engine: Engine) -> str:
    series = queries.selector(labels)
    baseline = f"{baselines.LONGEST}{series}"
    started = f"max by ({_BY}) ({queries.last_reached('job', 'running', labels, engine=engine)})"
    live = f"max by ({_BY}) ({queries.live('job', labels, engine=engine)}) > 0"
    # A run that has ended seems to be live for up to 2 minutes.
    goes_on = f"((time() - {started} - {rules.LIVE}) and ({live}))"
    return " or ".join(
        f"(({lasts} / {baseline} > {TIMES}) and ({lasts} - {baseline} > {LONGER}))"
        for lasts in (goes_on, f"{baselines.DURATION}{series}")
    )


def _fewer(labels: Mapping[str, str], engine: Engine) -> str:
    mean, baseline = (f"{name}{queries.selector(labels)}" for name in (baselines.RECORDS, baselines.FEWEST))
    return f"({mean} / {baseline} < {SHARE}) and ({baseline} - {mean} >= {FEWER})"


ALERTS: Final = (
    Alert(
        "BatchDurationAnomaly",
        "warning",
        f"Runs last more than {TIMES} times as long as the longest of the same hour in the last 4 weeks, or 7 days.",
        f"{JOB} lasts longer than usual",
        f"Runs last {{{{ $value | humanize }}}} times as long as the longest of the same hour before ({WHERE}).",
        every_job(_longer),
        keep=900,
    ),
    Alert(
        "BatchThroughputDrop",
        "warning",
        "Runs process fewer than half the records of the least of the same hour in the last 4 weeks, or 7 days.",
        f"{JOB} processes fewer records than usual",
        f"Runs process {{{{ $value | humanizePercentage }}}} of the fewest records of the same hour before ({WHERE}).",
        every_job(_fewer),
        keep=900,
    ),
)
"""In the order in which they are listed."""
