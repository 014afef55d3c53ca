"""The steps of a job: which one is slow, fails, or loses records."""

from __future__ import annotations

from collections.abc import Sequence

from batchtel_dashboards import panel_queries as panels_of
from batchtel_dashboards import queries
from batchtel_dashboards.boards.panels import ANY_IS_BAD, Column, Link, Panel, Query, Text, chart, rows
from batchtel_dashboards.boards.variables import STEP, WHO
from batchtel_dashboards.engines import Engine


def panels(engine: Engine, of_series: Sequence[Link], of_row: Sequence[Link]) -> list[Panel]:
    """Return the panels of the section; the links lead on to single runs."""
    by = (*WHO, "step_name")
    slowest = panels_of.mean("batch.step.duration", panels_of.STEP, by=by, labels=STEP, engine=engine)
    duration = queries.quantile("batch.step.duration", 0.95, "1d", by=by, labels=STEP, engine=engine)
    failures = {**STEP, "status": queries.FAILED}
    return [
        chart(
            Text(
                "Mean duration of steps",
                "Mean of the attempts that ended since the point before, for each step. The step whose line rises with "
                "the job's is the one to look at.",
                of_series,
            ),
            "s",
            [Query(slowest, "{{deployment_environment_name}} {{job_name}} {{step_name}}")],
            step="15m",
        ),
        rows(
            Text(
                "Steps, 24 h",
                "One row for each step. Records read and not written are lost between the two, or filtered. Red from "
                "the first failed step on.",
                of_row,
            ),
            [
                Column("p95 duration", duration, "s"),
                Column(
                    "read", queries.added("batch.step.records.read", "1d", by=by, labels=STEP, engine=engine), "none"
                ),
                Column(
                    "written",
                    queries.added("batch.step.records.written", "1d", by=by, labels=STEP, engine=engine),
                    "none",
                ),
                Column(
                    "failed",
                    queries.added("batch.step.completions", "1d", by=by, labels=failures, engine=engine),
                    "none",
                    ANY_IS_BAD,
                ),
                Column(
                    "retries",
                    queries.added("batch.step.retries", "1d", by=by, labels=STEP, engine=engine),
                    "none",
                    ((None, "green"), (1, "yellow")),
                ),
            ],
        ),
    ]
