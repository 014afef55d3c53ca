"""Inject faults into the simulated fleet, and print which alert detects each, and after how long."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from batchtel_dashboards.engines import ENGINES
from batchtel_stack import binaries
from tests.dashboards.alerts.simulation import pipeline
from tests.dashboards.alerts.simulation.fleet import CATALOGUE, DAY, FLEET, runs
from tests.dashboards.alerts.simulation.healthy_month import BEFORE
from tests.dashboards.alerts.simulation.prometheus import Fired, fired
from tests.dashboards.alerts.simulation.runs import Run, events
from tests.dashboards.alerts.simulation.samples import STEP, Process, constant, series

START: Final = int(datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp())
"""Clocks of Europe go back 13 hours later."""

MINUTES: Final = DAY // STEP

AT: Final = START + 14 * 3600
"""When the faults begin."""

DEADLINE: Final = int(datetime(2026, 10, 25, 5, tzinfo=UTC).timestamp())
"""06:00 in Berlin, after clocks went back."""

WATCHED: Final = """
[jobs.slow]
sla = { max_duration = "30m" }
[jobs.not_started]
schedule = { every = "1h" }
[jobs.never_ran]
schedule = { every = "1h" }
[jobs.late]
schedule = { cron = "30 22 * * *", timezone = "Europe/Berlin" }
sla = { must_complete_by = { time = "06:00" } }
[jobs.stale]
sla = { max_data_age = "2h" }
"""
"""The faulty jobs that have limits."""


class Fault(NamedTuple):
    """One fault: what happens, to which job or collector, the alert that detects it, and others that are right too."""

    story: str
    where: str
    alert: str
    also: tuple[str, ...] = ()
    since: int = AT


FAULTS: Final = (
    Fault("A run crashes at its start", "crash", "BatchHighFailureRate"),
    Fault("A process is killed", "killed", "BatchRunLost", ("BatchHeartbeatMissing",)),
    Fault("A process is stopped and sends no heartbeats", "stopped", "BatchHeartbeatMissing", ("BatchRunLost",)),
    Fault("A run hangs and sends heartbeats", "hangs", "BatchZeroThroughput"),
    Fault("A run is slower than its limit of 30 minutes", "slow", "BatchDurationSLABreach"),
    Fault("The input is empty", "empty", "BatchGreenTick"),
    Fault("A tenth of the records fails", "partial", "BatchFailedRecordsHigh"),
    Fault("All runs fail", "failing", "BatchHighFailureRate"),
    Fault("A run is retried 20 times", "retried", "BatchRetryStorm"),
    Fault("An hourly job is not started any more", "not_started", "BatchNotRunRecently"),
    Fault("An hourly job of the catalogue never ran", "never_ran", "BatchNotRunRecently", since=START),
    Fault(
        "The run before a deadline is missing, clocks go back",
        "late",
        "BatchDeadlineMissed",
        ("BatchNotRunRecently",),
        since=DEADLINE,
    ),
    Fault("Runs bring no newer data, 2 hours are allowed", "stale", "BatchDataStale"),
    Fault("Data has a low quality", "quality", "BatchDataQualityLow"),
    Fault("Runs wait 25 minutes in a queue", "waiting", "BatchQueueWaitHigh"),
    Fault("Runs violate a rule of their SLA", "violating", "BatchSLAViolation"),
    Fault("The canary is missing", "batchtel_doctor", "BatchCanaryMissing"),
    Fault("A collector is down", "down", "BatchCollectorDown"),
    Fault("A store is away", "store", "BatchExportFailing", ("BatchQueueFilling",)),
    Fault("A queue is filling", "queue", "BatchQueueFilling"),
    Fault("A flood of series comes near the limit", "flood", "BatchSeriesLimitNear"),
)


def _hourly(since: float, until: float, fault: Run | None = None, **more: float) -> list[Run]:
    """Return a healthy run of 5 minutes each hour before the fault, and after it runs that `more` changes."""
    found = []
    for start in range(int(since), int(until), 3600):
        run = Run(start, start + 300.0, records=1000, data=start, score=0.98)
        if start >= AT:
            run.__dict__.update(more)
        found.append(run)
    return [*found, fault] if fault else found


def _faulty() -> Mapping[str, list[Run]]:
    """Return the runs of each job that has a fault."""
    end = START + DAY
    violating = _hourly(START, end)
    for run in violating:
        if run.start >= AT:
            run.violations = {"insufficient_records": run.end}
    return {
        "crash": _hourly(START, AT, Run(AT, AT + 1.0, "failure")),
        "killed": _hourly(START, AT, Run(AT, AT + 300.0, "", records=1000)),
        "stopped": _hourly(START, AT, Run(AT, AT + 600.0, "", records=1000)),
        "hangs": _hourly(START, AT, Run(AT - 300, end, stalls=AT, records=1000)),
        "slow": _hourly(START, AT, Run(AT, AT + 4000.0, records=1000)),
        "empty": [*_hourly(START, AT - 7200), Run(AT, AT + 30.0)],
        "partial": _hourly(START, end, failed=110),
        "failing": _hourly(START, end, status="failure"),  # type: ignore[arg-type]
        "retried": _hourly(START, AT, Run(AT, AT + 300.0, records=1000, retries=20)),
        "not_started": _hourly(START, AT),
        "late": [Run(START - 15 * 3600, START - 14 * 3600, records=1000)],
        "stale": _hourly(START, end, data=AT - 3600.0),
        "quality": _hourly(START, end, score=0.5),
        "waiting": _hourly(START, end, wait=1500.0),
        "violating": violating,
    }


def _collectors() -> dict[str, str]:
    """Return the own metrics of the collectors, a healthy one and those with a fault."""
    minute = (AT - START) // STEP
    rest = MINUTES - minute
    exporter = 'exporter="otlp/jaeger"}'
    sent, size = f"exporter_sent_spans_total{{{exporter}", f"exporter_queue_size{{{exporter}"
    healthy = pipeline.rows(MINUTES, [])
    changed = {
        "down": {name: [*row[:minute], *[None] * rest] for name, row in healthy.items()},
        "store": {
            sent: [*healthy[sent][:minute], *[healthy[sent][minute]] * rest],
            size: [*constant(3, minute), *(min(100.0, 3.0 + one) for one in range(rest))],
        },
        "queue": {size: [*constant(3, minute), *constant(80, rest)]},
        "flood": {
            name: [*constant(300, minute), *(min(990.0, 300.0 + 20 * one) for one in range(rest))]
            for name in ("processor_run_rollup_series", "deltatocumulative_streams_tracked")
        },
    }
    found = pipeline.own("prod", healthy)
    for instance, rows in changed.items():
        found |= pipeline.own(instance, {**healthy, **rows})
    return found


def simulate(promtool: Path, folder: Path, engine: str) -> list[Fired]:
    """Return the alerts that fire in the fleet with faults."""
    samples = _collectors()
    collectors = [Process(0, START)]
    faulty = _faulty()
    for job in FLEET:
        until = AT if job.name == "batchtel_doctor" else START + DAY
        added = events(job.name, runs(job, START - BEFORE, until), heartbeats=job.heartbeats)
        samples |= series(added, START, MINUTES, collectors, engine)
    for name, those in faulty.items():
        samples |= series(events(name, those, heartbeats=True), START, MINUTES, collectors, engine)
    return fired(promtool, folder, samples, CATALOGUE + WATCHED, engine, START, MINUTES)


def delays(found: Sequence[Fired]) -> tuple[dict[str, int | None], list[Fired]]:
    """Return the minutes until each fault is detected, None if it is not, and the alerts that belong to no fault."""
    minutes: dict[str, int | None] = {}
    right = []
    for fault in FAULTS:
        of = [one for one in found if fault.where in (one.labels.get("job_name"), one.labels.get("instance"))]
        detected = [one for one in of if one.labels["alertname"] == fault.alert]
        minutes[fault.story] = round((detected[0].since - fault.since) / STEP) if detected else None
        right += [one for one in of if one.labels["alertname"] in (fault.alert, *fault.also)]
    return minutes, [one for one in found if one not in right]


def table(by_engine: Mapping[str, Mapping[str, int | None]]) -> str:
    """Return the rows of docs/alerts.md: each fault, its alert, and the minutes until it fires, by engine."""
    head = "| fault | alert | minutes, exact | minutes, stock |\n| --- | --- | --- | --- |\n"
    return head + "".join(
        f"| {fault.story} | {fault.alert} | "
        + " | ".join(str(minutes[fault.story]) for minutes in by_engine.values())
        + " |\n"
        for fault in FAULTS
    )


def main() -> int:
    """Print the table; return 1 if a fault is not detected, or another alert fires."""
    by_engine, wrong = {}, []
    for engine in ENGINES:
        with tempfile.TemporaryDirectory() as folder:
            by_engine[engine], others = delays(simulate(binaries.find("promtool"), Path(folder), engine))
        wrong += [f"{engine}: {dict(one.labels)} at {one.since - START:.0f} s" for one in others]
    sys.stdout.write(table(by_engine))
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong or any(None in minutes.values() for minutes in by_engine.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
