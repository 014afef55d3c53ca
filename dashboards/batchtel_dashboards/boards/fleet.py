"""Fleet: how all jobs are, and which one to look at."""

from __future__ import annotations

from typing import Final

from batchtel_dashboards import panel_queries as panels_of
from batchtel_dashboards import queries
from batchtel_dashboards.boards import variables
from batchtel_dashboards.boards.board import Board, Section
from batchtel_dashboards.boards.panels import (
    ANY_IS_BAD,
    NO_LIMIT,
    Column,
    Panel,
    Query,
    Text,
    chart,
    heat,
    rows,
    shares,
    single,
    states,
)
from batchtel_dashboards.boards.sources import PROMETHEUS
from batchtel_dashboards.boards.variables import JOB as CHOSEN
from batchtel_dashboards.boards.variables import WHO
from batchtel_dashboards.engines import Engine

_SERIES: Final = variables.to_board("Job", "batch-job", variables.SERIES)
_ROW: Final = variables.to_board("Job", "batch-job", variables.ROW)
_SLA: Final = variables.to_board("SLA", "batch-sla")
_SLA_OF_ROW: Final = variables.to_board("SLA", "batch-sla", variables.ROW)
_HERE: Final = variables.to_board("Jobs", "batch-job")
_NAMED: Final = "{{deployment_environment_name}} {{job_name}}"


def board(engine: Engine) -> Board:
    """Return the board for one way of adding up."""
    return Board(
        title="Batch: fleet",
        description="Do the jobs run, do they succeed, and which one needs a look? All numbers are of runs, not steps.",
        sources=(PROMETHEUS,),
        variables=(variables.environment(), variables.service(), variables.job()),
        sections=(
            Section("Now, and the last 24 hours", _now(engine)),
            Section("Outcomes", _outcomes(engine)),
            Section("Time and work", _work(engine)),
            Section("Each job", _jobs(engine)),
        ),
    )


def _now(engine: Engine) -> list[Panel]:
    day = "1d"
    started = queries.added("batch.job.runs.started", day, labels=CHOSEN, engine=engine)
    failures = {**CHOSEN, "status": queries.FAILED}
    return [
        single(
            Text(
                "Success rate, 24 h",
                "Share of runs that succeeded, of those that ended within 24 hours. Cancelled and skipped runs do not "
                "count. 0 % if all failed; no data if none ended. Red below 90 %, yellow below 95 %.",
                (_HERE,),
            ),
            "percentunit",
            panels_of.share_of_ended("success", day, labels=CHOSEN, engine=engine),
            ((None, "red"), (0.9, "yellow"), (0.95, "green")),
        ),
        single(
            Text(
                "Running now",
                "Live runs, by their heartbeats of 2 minutes: a run appears a minute after its start, so shorter ones "
                "are not in it, and one that is killed disappears within 2. DAG runs have no heartbeat.",
                (_HERE,),
            ),
            "none",
            panels_of.running(labels=CHOSEN, engine=engine),
            NO_LIMIT,
            decimals=0,
        ),
        single(
            Text(
                "Runs started, 24 h",
                "Runs that started within 24 hours. No data means that Prometheus has no series of these jobs: look at "
                "the board of the pipeline before you read it as a quiet day.",
                (_HERE,),
            ),
            "none",
            started,
            NO_LIMIT,
            decimals=0,
        ),
        single(
            Text(
                "Runs failed, 24 h",
                "Runs that ended as failure, timeout or lost within 24 hours. Red from the first one on: the chart of "
                "error types shows why, the table of jobs shows where.",
                (_HERE,),
            ),
            "none",
            queries.added("batch.job.completions", day, labels=failures, engine=engine),
            ANY_IS_BAD,
            decimals=0,
        ),
        single(
            Text(
                "Runs lost, 24 h",
                "Runs that started, did not end and have no heartbeat any more: killed, out of memory, or their "
                "machine is gone. Red from the first one on. They are counted within 5 minutes.",
                (_HERE,),
            ),
            "none",
            panels_of.lost(day, labels=CHOSEN, engine=engine),
            ANY_IS_BAD,
            decimals=0,
        ),
        single(
            Text(
                "SLA violations, 24 h",
                "Rules of jobs.toml that runs violated within 24 hours, each rule once a run. Red from the first one "
                "on. No data if no job has an SLA.",
                (_SLA,),
            ),
            "none",
            queries.added("batch.job.sla.violations", day, labels=CHOSEN, engine=engine),
            ANY_IS_BAD,
            decimals=0,
        ),
    ]


def _outcomes(engine: Engine) -> list[Panel]:
    ended = queries.added("batch.job.completions", panels_of.STEP, by=("status",), labels=CHOSEN, engine=engine)
    failed = {**CHOSEN, "status": queries.FAILED}
    errors = queries.added("batch.job.completions", "1d", by=("error_type",), labels=failed, engine=engine)
    return [
        chart(
            Text(
                "Runs that ended, by status",
                "Each bar is the number of runs that ended since the bar before; bars add up to the whole. A change of "
                "the mix matters more than its height.",
                (_HERE,),
            ),
            "none",
            [Query(f"{ended} > 0", "{{status}}")],
            style="bars",
        ),
        chart(
            Text(
                "Success rate of the last hour, by job",
                "For each point the share of successes among runs that ended within the hour before. No point where "
                "no run ended; 0 % where all failed. The lines are 90 % and 95 %.",
                (_SERIES,),
            ),
            "percentunit",
            [Query(panels_of.share_of_ended("success", "1h", by=WHO, labels=CHOSEN, engine=engine), _NAMED)],
            ((None, "red"), (0.9, "yellow"), (0.95, "green")),
            most=1,
        ),
        shares(
            Text(
                "Failures by error type, 24 h",
                "What the failed runs of 24 hours ended by: class of the exception or name of the signal, never a "
                "message. One type in many jobs is a cause outside of them.",
                (_HERE,),
            ),
            "none",
            Query(f"{errors} > 0", "{{error_type}}", instant=True),
            width=8,
        ),
        states(
            Text(
                "State of each job",
                "The state that each job entered last. Blue that does not end is a run that hangs; dark red is lost; "
                "grey is scheduled, cancelled or skipped. Parallel runs of one job share a line.",
                (_SERIES,),
            ),
            Query(
                panels_of.state_code("job", labels=CHOSEN, engine=engine),
                "{{deployment_environment_name}} {{job_name}}",
            ),
            width=16,
            height=8,
        ),
    ]


def _work(engine: Engine) -> list[Panel]:
    cpu = panels_of.rate("batch.job.cpu.time", by=WHO, labels=CHOSEN, engine=engine)
    memory = panels_of.quantile("batch.job.memory.peak", 0.95, by=WHO, labels=CHOSEN, engine=engine)
    records = panels_of.rate("batch.job.records.processed", by=WHO, labels=CHOSEN, engine=engine)
    return [
        chart(
            Text(
                "Duration of runs: p50, p95, p99",
                "Seconds that half, 95 % and 99 % of the runs did not exceed, over all selected jobs, in steps of 15 "
                "minutes. Values are read from buckets, so they are exact at bucket bounds only. Select one job to "
                "compare it with itself.",
                (_HERE,),
            ),
            "s",
            [
                Query(panels_of.quantile("batch.job.duration", part, labels=CHOSEN, engine=engine), f"p{part * 100:g}")
                for part in (0.5, 0.95, 0.99)
            ],
            step="15m",
        ),
        heat(
            Text(
                "Queue wait",
                "How many runs waited how long between queued and their first start: a row is a bucket, a bright field "
                "many runs. Rising fields mean that workers are missing. Only runs whose scheduler reports the time.",
                (_HERE,),
            ),
            "s",
            panels_of.buckets("batch.job.queue_wait", labels=CHOSEN, engine=engine),
        ),
        chart(
            Text(
                "Records per minute",
                "Records that were processed without failure, for each job. 0 while a job runs means that it makes no "
                "progress, or reports its records at its end only.",
                (_SERIES,),
            ),
            "suffix:/min",
            [Query(f"60 * {records}", _NAMED)],
        ),
        chart(
            Text(
                "CPU of runs",
                "CPU seconds a second, which is cores, reported at the end of runs and at heartbeats. A peak can be "
                "the work of a long run that reports at its end.",
                (_SERIES,),
            ),
            "suffix: cores",
            [Query(cpu, _NAMED)],
        ),
        chart(
            Text(
                "Peak memory of runs: p95",
                "Bytes that 95 % of the runs of each job did not exceed at their highest, in steps of 15 minutes. "
                "Values are read from buckets, whose bounds are powers of four: look at steps, not at single values.",
                (_SERIES,),
            ),
            "bytes",
            [Query(memory, _NAMED)],
            width=24,
            step="15m",
        ),
    ]


def _jobs(engine: Engine) -> list[Panel]:
    by = (*WHO, "violation_type")
    violations = queries.added("batch.job.sla.violations", "1d", by=by, labels=CHOSEN, engine=engine)
    failed = {**CHOSEN, "status": queries.FAILED}
    memory = queries.quantile("batch.job.memory.peak", 0.95, "1d", by=WHO, labels=CHOSEN, engine=engine)
    return [
        rows(
            Text(
                "Jobs, 24 h",
                "One row for each job of each service and environment. The age of the last success is its value now, "
                "whatever the range of the board; empty means that the job has not succeeded for 35 days. Peak memory "
                "is that of 95 % of its runs.",
                (_ROW,),
            ),
            [
                Column("last success, age", panels_of.since("success", by=WHO, labels=CHOSEN, engine=engine), "s"),
                Column(
                    "runs", queries.added("batch.job.runs.started", "1d", by=WHO, labels=CHOSEN, engine=engine), "none"
                ),
                Column(
                    "failed",
                    queries.added("batch.job.completions", "1d", by=WHO, labels=failed, engine=engine),
                    "none",
                    ANY_IS_BAD,
                ),
                Column("peak memory", memory, "bytes"),
            ],
            width=16,
            height=10,
        ),
        rows(
            Text(
                "SLA violations by job and rule, 24 h",
                "Which rule of jobs.toml was violated how often. Red from the first violation on, also the first "
                "one that a job ever had.",
                (_SLA_OF_ROW,),
            ),
            [Column("violations", f"{violations} > 0", "none", ANY_IS_BAD)],
            width=8,
            height=10,
        ),
    ]
