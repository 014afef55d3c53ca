"""Job: one job, its runs over time, its steps, and how it is against last week."""

from __future__ import annotations

from typing import Final

from batchtel_dashboards import panel_queries as panels_of
from batchtel_dashboards import queries
from batchtel_dashboards.boards import job_steps, variables
from batchtel_dashboards.boards.board import Board, Section
from batchtel_dashboards.boards.panels import (
    ANY_IS_BAD,
    NO_LIMIT,
    Link,
    Panel,
    Query,
    Text,
    chart,
    single,
    states,
)
from batchtel_dashboards.boards.sources import PROMETHEUS
from batchtel_dashboards.boards.variables import JOB as CHOSEN
from batchtel_dashboards.boards.variables import WHO
from batchtel_dashboards.engines import Engine


def _runs(of: str = "") -> tuple[Link, ...]:
    stores = (("Loki, Tempo", "batch-run"), ("VictoriaLogs, Jaeger", "batch-run-victorialogs"))
    return tuple(variables.to_board(f"Runs ({names})", uid, of) for names, uid in stores)


_RUNS: Final = _runs()
_OF_SERIES: Final = _runs(variables.SERIES)
_SLA: Final = variables.to_board("SLA", "batch-sla")
_RATIO: Final = ((None, "red"), (0.9, "yellow"), (0.95, "green"))


def board(engine: Engine) -> Board:
    """Return the board for one way of adding up."""
    return Board(
        title="Batch: job",
        description="What does this job do, since when is it different, and which step is it? Select one job.",
        sources=(PROMETHEUS,),
        variables=(variables.environment(), variables.service(), variables.job(), variables.step()),
        sections=(
            Section("Now, and the last 24 hours", _now(engine)),
            Section("History", _history(engine)),
            Section("Data", _data(engine)),
            Section("Steps", job_steps.panels(engine, _OF_SERIES, _runs(variables.ROW))),
            Section("Against last week", _last_week(engine)),
        ),
        span="7d",
    )


def _now(engine: Engine) -> list[Panel]:
    retried = queries.added("batch.job.retries", "1d", labels=CHOSEN, engine=engine)
    return [
        single(
            Text(
                "Success rate, 24 h",
                "Share of runs that succeeded, of those that ended within 24 hours. Cancelled and skipped runs do not "
                "count. 0 % if all failed; no data if none ended. Red below 90 %, yellow below 95 %.",
                _RUNS,
            ),
            "percentunit",
            panels_of.share_of_ended("success", "1d", labels=CHOSEN, engine=engine),
            _RATIO,
        ),
        single(
            Text(
                "Last success",
                "Time since a run of the selected jobs succeeded last, the newest if there are several. Compare it "
                "with the schedule. No data if none has succeeded for 35 days.",
                _RUNS,
            ),
            "s",
            panels_of.since("success", by=(), labels=CHOSEN, engine=engine),
            NO_LIMIT,
        ),
        single(
            Text(
                "Running now",
                "Live runs, by their heartbeats of 2 minutes: a run appears a minute after its start. More than one "
                "means that runs overlap. DAG runs have no heartbeat.",
                _RUNS,
            ),
            "none",
            panels_of.running(labels=CHOSEN, engine=engine),
            ((None, "blue"), (2, "yellow")),
            decimals=0,
        ),
        single(
            Text(
                "Runs lost, 24 h",
                "Runs that started, did not end and have no heartbeat any more: killed or out of memory. Red from the "
                "first one on; they are counted within 5 minutes.",
                _RUNS,
            ),
            "none",
            panels_of.lost("1d", labels=CHOSEN, engine=engine),
            ANY_IS_BAD,
            decimals=0,
        ),
        single(
            Text(
                "Retries, 24 h",
                "Attempts after the first within 24 hours. A job that succeeds at its third attempt is green elsewhere "
                "and yellow here. No data if the job has never been retried.",
                _RUNS,
            ),
            "none",
            retried,
            ((None, "green"), (1, "yellow")),
            decimals=0,
        ),
        single(
            Text(
                "Age of the data",
                "Time since the newest data that the job has reported, the newest if there are several jobs. It grows "
                "between runs; a value above the time between two runs means stale input. No data if not reported.",
                (_SLA,),
            ),
            "s",
            panels_of.data_age(by=(), labels=CHOSEN, engine=engine),
            NO_LIMIT,
        ),
    ]


def _history(engine: Engine) -> list[Panel]:
    ended = queries.added("batch.job.completions", panels_of.STEP, by=("status",), labels=CHOSEN, engine=engine)
    failed = {**CHOSEN, "status": queries.FAILED}
    errors = queries.added("batch.job.completions", panels_of.STEP, by=("error_type",), labels=failed, engine=engine)
    wait = panels_of.quantile("batch.job.queue_wait", 0.95, labels=CHOSEN, engine=engine)
    return [
        states(
            Text(
                "State",
                "The state that each selected job entered last. Blue that does not end is a run that hangs; dark red "
                "is lost.",
                _OF_SERIES,
            ),
            Query(
                panels_of.state_code("job", labels=CHOSEN, engine=engine),
                "{{deployment_environment_name}} {{job_name}}",
            ),
            height=5,
        ),
        chart(
            Text(
                "Runs that ended, by status",
                "Each bar is the number of runs that ended since the bar before. A missing bar is a run that did not "
                "end, or did not start.",
                _RUNS,
            ),
            "none",
            [Query(f"{ended} > 0", "{{status}}")],
            style="bars",
        ),
        chart(
            Text(
                "Failures by error type",
                "Each bar is the number of failed runs since the bar before, by class of the exception or name of the "
                "signal. The run's own board has its stack trace.",
                _RUNS,
            ),
            "none",
            [Query(f"{errors} > 0", "{{error_type}}")],
            style="bars",
        ),
        chart(
            Text(
                "Duration: p50, p95",
                "Seconds that half and 95 % of the attempts did not exceed, in steps of 15 minutes, from buckets. Each "
                "small square is one run: it leads to its trace.",
                _RUNS,
            ),
            "s",
            [
                Query(
                    panels_of.quantile("batch.job.duration", part, labels=CHOSEN, engine=engine),
                    f"p{part * 100:g}",
                    exemplar=part == 0.95,
                )
                for part in (0.5, 0.95)
            ],
            step="15m",
        ),
        chart(
            Text(
                "Queue wait: p95",
                "Seconds from queued to the first start that 95 % of the runs did not exceed. It grows when workers "
                "are missing, not when the job is slow. Only runs whose scheduler reports the time.",
                _RUNS,
            ),
            "s",
            [Query(wait, "p95")],
            step="15m",
        ),
    ]


def _data(engine: Engine) -> list[Panel]:
    done, failed = (
        queries.added(f"batch.job.records.{kind}", panels_of.STEP, labels=CHOSEN, engine=engine)
        for kind in ("processed", "failed")
    )
    day = "1d"
    quality = panels_of.mean("batch.job.data_quality.score", day, by=WHO, labels=CHOSEN, engine=engine)
    return [
        chart(
            Text(
                "Records",
                "Each bar is the number of records since the bar before. A run that succeeds without records has a bar "
                "in the chart of runs, and none here. `failed` are records, not runs.",
                _RUNS,
            ),
            "none",
            [Query(f"{done} > 0", "processed"), Query(f"{failed} > 0", "failed")],
            style="bars",
        ),
        chart(
            Text(
                "Data quality, mean of 24 hours",
                "Mean of the scores that runs reported within the 24 hours before each point, from 0 to 1. The lines "
                "are 0.9 and 0.95. No point where no run reported a score.",
                _OF_SERIES,
            ),
            "percentunit",
            [Query(quality, "{{deployment_environment_name}} {{job_name}}")],
            _RATIO,
            most=1,
        ),
    ]


def _last_week(engine: Engine) -> list[Panel]:
    def both(metric: str) -> list[Query]:
        now, before = (
            queries.added(metric, "1d", by=WHO, labels=CHOSEN, ago=ago, engine=engine) for ago in ("0s", "7d")
        )
        return [
            Query(now, "{{deployment_environment_name}} {{job_name}}"),
            Query(before, "{{job_name}}, a week before"),
        ]

    return [
        chart(
            Text(
                "Runs of 24 hours, and a week before",
                "Runs that started within the 24 hours before each point, and the same 7 days earlier. A line below "
                "its earlier one means that runs are missing.",
                _OF_SERIES,
            ),
            "none",
            both("batch.job.runs.started"),
            step="1h",
        ),
        chart(
            Text(
                "Records of 24 hours, and a week before",
                "Records processed within the 24 hours before each point, and the same 7 days earlier. A line at a "
                "part of its earlier one, with as many runs, means that input is missing.",
                _OF_SERIES,
            ),
            "none",
            both("batch.job.records.processed"),
            step="1h",
        ),
    ]
