"""Airflow tasks: which tasks have failed, run and succeeded, from the steps that batchtel's plugin reports."""

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
    rows,
    single,
    states,
)
from batchtel_dashboards.boards.sources import PROMETHEUS
from batchtel_dashboards.boards.variables import STEP
from batchtel_dashboards.engines import Engine

_DAG: Final = variables.to_board("DAG", "batch-job")
_OWN: Final = variables.to_board("Airflow DAG", "batch-airflow-dag")
_ROW: Final = variables.to_board("DAG", "batch-job", variables.ROW)
_SERIES: Final = variables.to_board("DAG", "batch-job", variables.SERIES)
_FAILED: Final = ("failure", "timeout", "lost", "dead_letter")
_OPEN: Final = ("running", "retrying")
_WHO: Final = ("deployment_environment_name", "job", "job_name", "step_name")


def board(engine: Engine) -> Board:
    """Return the board for one way of adding up."""
    return Board(
        title="Batch: Airflow tasks",
        description="Which tasks are failed now, and how did tasks end? A DAG is a job, a task a step; mapped tasks, "
        "retries and parallel runs are all counted.",
        sources=(PROMETHEUS,),
        variables=(variables.environment(), variables.service(), variables.job(), variables.step()),
        sections=(
            Section("Now: how each task ended last", _now(engine)),
            Section("Over time: all runs", _trends(engine)),
            Section("Each task", _inventory(engine)),
        ),
    )


def _now(engine: Engine) -> list[Panel]:
    ended = {**STEP, "status": queries.FAILED}
    return [
        single(
            Text(
                "Tasks currently failed",
                "Tasks whose last state is failure, timeout, lost or dead letter, in the latest run that reached them. "
                "A task that waits for its next try is not failed. Red from the first one on.",
                (_DAG,),
            ),
            "none",
            panels_of.in_states("step", _FAILED, labels=STEP, engine=engine),
            ANY_IS_BAD,
            width=6,
            decimals=0,
        ),
        single(
            Text(
                "Tasks currently succeeded",
                "Tasks whose last state is success. Compare it with the number of tasks that should have run: a task "
                "that was not reached keeps the state of the run before.",
                (_DAG,),
            ),
            "none",
            panels_of.in_states("step", ("success",), labels=STEP, engine=engine),
            NO_LIMIT,
            width=6,
            decimals=0,
        ),
        single(
            Text(
                "Tasks currently running or retrying",
                "Tasks whose last state is running or retrying. One that was killed is lost within 5 minutes if its "
                "DAG has heartbeats, else when Airflow reports it.",
                (_DAG,),
            ),
            "none",
            panels_of.in_states("step", _OPEN, labels=STEP, engine=engine),
            NO_LIMIT,
            width=6,
            decimals=0,
        ),
        single(
            Text(
                "Task failures, 24 h",
                "Tasks that ended as failure, timeout or lost within 24 hours, each mapped task and each run counted. "
                "Ten parallel failures of one task are ten. Red from the first one on.",
                (_DAG,),
            ),
            "none",
            queries.added("batch.step.completions", "1d", labels=ended, engine=engine),
            ANY_IS_BAD,
            width=6,
            decimals=0,
        ),
    ]


def _trends(engine: Engine) -> list[Panel]:
    ended = queries.added("batch.step.completions", panels_of.STEP, by=("status",), labels=STEP, engine=engine)
    return [
        chart(
            Text(
                "Tasks by their current state",
                "How many tasks were in each state at each point. A line of failures that stays up is a task that "
                "nothing has mended since.",
                (_DAG,),
            ),
            "none",
            [Query(panels_of.number_by_state("step", labels=STEP, engine=engine), "{{state}}")],
        ),
        chart(
            Text(
                "Tasks that ended, by status",
                "Each bar is the number of tasks that ended since the bar before, over all runs; bars add up. A retry "
                "that follows is no end.",
                (_DAG, _OWN),
            ),
            "none",
            [Query(f"{ended} > 0", "{{status}}")],
            style="bars",
        ),
        states(
            Text(
                "State of each task",
                "The state that each task entered last. Select one DAG: a line for each of many tasks is hard to read. "
                "Blue that does not end hangs, dark red is lost.",
                (_SERIES,),
            ),
            Query(
                panels_of.state_code("step", labels=STEP, engine=engine),
                "{{deployment_environment_name}} {{job_name}} {{step_name}}",
            ),
        ),
    ]


def _inventory(engine: Engine) -> list[Panel]:
    failed = {**STEP, "status": queries.FAILED}
    return [
        rows(
            Text(
                "Tasks",
                "One row for each task of each DAG. An empty age means that it has not succeeded for 35 days. The "
                "duration is that of 95 % of its tries; it cannot be added up to that of the DAG.",
                (_ROW,),
            ),
            [
                Column(
                    "last success, age",
                    panels_of.since("success", level="step", by=_WHO, labels=STEP, engine=engine),
                    "s",
                ),
                Column(
                    "runs, 24 h",
                    queries.added("batch.step.runs.started", "1d", by=_WHO, labels=STEP, engine=engine),
                    "none",
                ),
                Column(
                    "failed, 24 h",
                    queries.added("batch.step.completions", "1d", by=_WHO, labels=failed, engine=engine),
                    "none",
                    ANY_IS_BAD,
                ),
                Column(
                    "p95 duration, 24 h",
                    queries.quantile("batch.step.duration", 0.95, "1d", by=_WHO, labels=STEP, engine=engine),
                    "s",
                ),
            ],
            width=24,
            height=12,
        ),
    ]
