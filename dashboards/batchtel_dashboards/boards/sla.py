"""SLA: which rules of jobs.toml are kept, and how many violations an objective still allows."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard as dashboards

from batchtel_dashboards import panel_queries as panels_of
from batchtel_dashboards import queries
from batchtel_dashboards.boards import variables
from batchtel_dashboards.boards.board import Board, Section
from batchtel_dashboards.boards.panels import ANY_IS_BAD, Column, Panel, Query, Text, chart, rows
from batchtel_dashboards.boards.sources import PROMETHEUS
from batchtel_dashboards.boards.variables import JOB as CHOSEN
from batchtel_dashboards.boards.variables import WHO
from batchtel_dashboards.engines import Engine

_ROW: Final = variables.to_board("Job", "batch-job", variables.ROW)
_SERIES: Final = variables.to_board("Job", "batch-job", variables.SERIES)
_RULE: Final = (*WHO, "violation_type")
_WINDOW: Final = "28d"


def board(engine: Engine) -> Board:
    """Return the board for one way of adding up."""
    objective = dashboards.CustomVariable("objective").label("Objective").values("0.9,0.95,0.99,0.995,0.999")
    objective.current(_CHOSEN).description("Share of runs that should keep each rule.")
    return Board(
        title="Batch: SLA",
        description="Which job violates which rule of jobs.toml, and how many violations are left?",
        sources=(PROMETHEUS,),
        variables=(variables.environment(), variables.service(), variables.job(), objective),
        sections=(Section("Today", _today(engine)), Section("Objective, over 28 days", _objective(engine))),
        span="7d",
    )


def _today(engine: Engine) -> list[Panel]:
    day = queries.added("batch.job.sla.violations", "1d", by=_RULE, labels=CHOSEN, engine=engine)
    late = {**CHOSEN, "violation_type": "deadline_missed"}
    missed = queries.added("batch.job.sla.violations", "1d", by=WHO, labels=late, engine=engine)
    steps = queries.added("batch.job.sla.violations", panels_of.STEP, by=_RULE, labels=CHOSEN, engine=engine)
    return [
        rows(
            Text(
                "Violations by job and rule, 24 h",
                "How many runs violated which rule within 24 hours; a run counts once for each rule. Red from the "
                "first one on. A job without a row has not violated a rule for 24 hours, or has no SLA.",
                (_ROW,),
            ),
            [Column("violations", f"{day} > 0", "none", ANY_IS_BAD)],
        ),
        rows(
            Text(
                "Deadlines and last success",
                "When each job succeeded last, and how many deadlines it missed within 24 hours. The deadlines "
                "themselves are in jobs.toml. A run that never starts misses no deadline here: compare the age.",
                (_ROW,),
            ),
            [
                Column("last success, age", panels_of.since("success", by=WHO, labels=CHOSEN, engine=engine), "s"),
                Column("age of its data", panels_of.data_age(by=WHO, labels=CHOSEN, engine=engine), "s"),
                Column("deadlines missed", missed, "none", ANY_IS_BAD),
            ],
        ),
        chart(
            Text(
                "Violations over time",
                "Each bar is the number of violations since the bar before, by job and rule. The same rule at the same "
                "hour every day is a limit that is too tight, or a resource that is shared.",
                (_SERIES,),
            ),
            "none",
            [Query(f"{steps} > 0", "{{deployment_environment_name}} {{job_name}} {{violation_type}}")],
            style="bars",
            width=24,
        ),
    ]


def _objective(engine: Engine) -> list[Panel]:
    kept = panels_of.kept_share(_WINDOW, by=WHO, labels=CHOSEN, engine=engine)
    left = panels_of.budget_left(_WINDOW, "$objective", by=WHO, labels=CHOSEN, engine=engine)
    return [
        rows(
            Text(
                "Kept, and budget left",
                "For each rule of a job: the share of its runs of 28 days that kept it, and the share "
                "of the violations allowed by the objective that is left. 0 % is used up, below 0 % the objective is "
                "missed. A job without a row has no SLA.",
                (_ROW,),
            ),
            [
                Column("budget left", left, "percentunit", ((None, "red"), (0, "yellow"), (0.25, "green"))),
                Column("kept", kept, "percentunit"),
            ],
            width=24,
        ),
    ]


_CHOSEN: Final = variables.option("0.99")
