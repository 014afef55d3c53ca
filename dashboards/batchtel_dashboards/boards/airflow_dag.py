"""Airflow DAG: the runs and tasks of the selected DAGs, by Airflow's own metrics and by batchtel's."""

from __future__ import annotations

from typing import Final

from batchtel_dashboards import airflow_queries as own
from batchtel_dashboards import panel_queries
from batchtel_dashboards.boards import variables
from batchtel_dashboards.boards.airflow_panels import SHARES, timer
from batchtel_dashboards.boards.board import Board, Section
from batchtel_dashboards.boards.panels import TIME, Link, Panel, Query, Text, chart
from batchtel_dashboards.boards.sources import PROMETHEUS
from batchtel_dashboards.boards.variables import AIRFLOW, DAG, JOB
from batchtel_dashboards.engines import Engine

_JOB: Final = variables.to_board("Job", "batch-job")
_TASKS: Final = variables.to_board("Airflow tasks", "batch-airflow-tasks")
_CLUSTER: Final = Link(
    "Airflow cluster",
    "/d/batch-airflow-cluster?${airflow:queryparam}&${environment:queryparam}&${service:queryparam}&" + TIME,
)


def board(engine: Engine) -> Board:
    """Return the board for one way of adding up."""
    return Board(
        title="Batch: Airflow DAG",
        description="How long do the runs of a DAG last, how late do they start, and which task is it? It reads "
        "Airflow's own metrics, which an environment has with `airflow_metrics: true`.",
        sources=(PROMETHEUS,),
        variables=(variables.airflow(), variables.environment(), variables.service(), variables.dag()),
        sections=(
            Section("DAG stats", _runs(engine)),
            Section("Tasks", _tasks(engine)),
        ),
    )


def _runs(engine: Engine) -> list[Panel]:
    ended = own.runs_ended(labels=JOB, airflow=AIRFLOW, engine=engine)
    lasted = [
        Query(
            own.run_duration(share, by=("job_name",), labels=JOB, airflow=AIRFLOW, engine=engine),
            f"{{{{job_name}}}} {name}",
        )
        for share, name in SHARES
    ]
    return [
        _timer(
            engine,
            "Success DAG run duration",
            "dagrun_duration_success",
            "Runs that succeeded. Compare it with the limit of the DAG's SLA; a step up that stays is a change of "
            "code or of data.",
            (_JOB,),
        ),
        _timer(
            engine,
            "Failed DAG run duration",
            "dagrun_duration_failed",
            "Runs that failed. Short ones fail at their first task; ones as long as the good ones fail at the last.",
            (_JOB,),
        ),
        chart(
            Text(
                "DAG run duration",
                "Runs that ended in any way, from the first start to the final end, as batchtel's plugin measures "
                "them. It is no sum of tasks: tasks run in parallel and wait between.",
                (_JOB,),
            ),
            "s",
            lasted,
        ),
        chart(
            Text(
                "DAG runs that ended, by status",
                "Each bar is the number of runs that ended since the bar before; bars add up. A DAG without bars has "
                "not ended: look at its board Job whether it runs.",
                (_JOB,),
            ),
            "none",
            [Query(f"{ended} > 0", "{{status}}")],
            style="bars",
        ),
        _timer(
            engine,
            "DAG run dependency check time",
            "dagrun_dependency_check",
            "How long the scheduler needs to find what a run can start next. It grows with the number of tasks, and "
            "with mapped ones.",
            (_CLUSTER,),
        ),
        _timer(
            engine,
            "DAG run schedule delay",
            "dagrun_schedule_delay",
            "From the time at which a run is due to its start. If all DAGs are late it is the scheduler, if one is it "
            "is its `max_active_runs`. Catch-up counts with its whole age.",
            (_CLUSTER,),
        ),
    ]


def _tasks(engine: Engine) -> list[Panel]:
    finished = own.added("ti_finish", "$__interval", by=("state",), labels=DAG, engine=engine)
    return [
        chart(
            Text(
                "Tasks that finished, by Airflow's state",
                "Each bar is the number of tries that finished since the bar before, as Airflow's task processes "
                "report them; bars add up. Killed ones are on the board Airflow tasks.",
                (_TASKS,),
            ),
            "none",
            [Query(f"{finished} > 0", "{{state}}")],
            style="bars",
        ),
        chart(
            Text(
                "Duration of each task",
                "95 % of the tries of each task are shorter. The longest line is where a run can be made shorter, if "
                "no other task runs beside it.",
                (_TASKS,),
            ),
            "s",
            [
                Query(
                    panel_queries.quantile(
                        "batch.step.duration", 0.95, by=("job_name", "step_name"), labels=JOB, engine=engine
                    ),
                    "{{job_name}} {{step_name}}",
                )
            ],
        ),
    ]


def _timer(engine: Engine, title: str, family: str, description: str, links: tuple[Link, ...]) -> Panel:
    return timer(
        Text(title, f"{description} Of the runs in one step of the chart.", links),
        family,
        DAG,
        by=("dag_id",),
        engine=engine,
    )
