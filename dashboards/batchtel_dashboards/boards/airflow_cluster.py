"""Airflow cluster: scheduler, DAG processor, executors and pools, and the DAG runs of all DAGs together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from batchtel_dashboards import airflow_queries as own
from batchtel_dashboards.boards import variables
from batchtel_dashboards.boards.airflow_timers import SHARES, timer
from batchtel_dashboards.boards.board import Board, Section
from batchtel_dashboards.boards.panels import (
    ANY_IS_BAD,
    NO_LIMIT,
    TIME,
    Limits,
    Link,
    Panel,
    Query,
    Text,
    chart,
    single,
)
from batchtel_dashboards.boards.sources import PROMETHEUS
from batchtel_dashboards.boards.variables import AIRFLOW, SERVICE
from batchtel_dashboards.engines import Engine

_KEEP: Final = "${airflow:queryparam}&${environment:queryparam}&${service:queryparam}"
_DAG: Final = Link("DAG", f"/d/batch-airflow-dag?{_KEEP}&{TIME}")
_TASKS: Final = Link(
    "Airflow tasks", f"/d/batch-airflow-tasks?${{environment:queryparam}}&${{service:queryparam}}&{TIME}"
)
_PIPELINE: Final = Link("Pipeline health", f"/d/batch-pipeline?{TIME}")
_PROGRAMS: Final = {"scheduler": "scheduler", "dag_processor": "DAG processor", "triggerer": "triggerer"}
_ALIVE: Final[Limits] = ((None, "red"), (1, "green"))


def board(engine: Engine) -> Board:
    """Return the board for one way of adding up; Airflow's own metrics are read in the same way for both."""
    return Board(
        title="Batch: Airflow cluster",
        description="Does Airflow itself work: does it schedule, parse, and have space for tasks? It reads Airflow's "
        "own metrics, which an environment has with `airflow_metrics: true`.",
        sources=(PROMETHEUS,),
        variables=(variables.airflow(), variables.environment(), variables.service()),
        sections=(
            Section("Scheduler", [*_alive(), *_parsing(), *_tries()]),
            Section("Operators", _operators()),
            Section("Executor pool", [*_slots(), *_jobs()]),
            Section("DAG stats: the runs of all DAGs", _runs(engine)),
        ),
    )


def _alive() -> list[Panel]:
    beats = [Query(own.heartbeats(program, AIRFLOW), f"{{{{{own.ID}}}}} {name}") for program, name in _PROGRAMS.items()]
    return [
        single(
            Text(
                "Scheduler heartbeat",
                "Heartbeats of all schedulers within 5 minutes, of the Airflow that has fewest. One scheduler has "
                "up to 60. Red at 0: nothing is scheduled, or its metrics do not arrive. Look here first.",
                (_PIPELINE,),
            ),
            "none",
            f"min ({own.heartbeats('scheduler', AIRFLOW)})",
            _ALIVE,
            decimals=0,
        ),
        chart(
            Text(
                "Heartbeats of each program",
                "Heartbeats within the 5 minutes before each point. A line at 0 is a program that has stopped; a line "
                "that halves is one of two that has. Airflow 2 has no DAG processor: its scheduler parses DAGs.",
                (_PIPELINE,),
            ),
            "none",
            beats,
            _ALIVE,
            width=20,
        ),
    ]


def _parsing() -> list[Panel]:
    return [
        _gauge(
            "Dagbag size",
            "How many DAGs the last full parse found. A fall is a bundle or folder that is missing, or files that no "
            "longer import.",
            "dagbag_size",
            NO_LIMIT,
            program="dag_processor",
        ),
        _gauge(
            "DAG processing total parse time",
            "Seconds for one parse of all DAG files. Yellow from 30 s, the default interval between two parses: "
            "changes are noticed late from there on. Red from 80 s on.",
            "dag_processing_total_parse_time",
            ((None, "green"), (30, "yellow"), (80, "red")),
            unit="s",
            program="dag_processor",
        ),
        _gauge(
            "Dagbag import errors",
            "DAG files that do not import. Their DAGs keep their last version, or are missing. Red from the first "
            "one on; the DAG processor's log has the traceback.",
            "dag_processing_import_errors",
            ANY_IS_BAD,
            program="dag_processor",
        ),
        _count(
            "Zombies killed, 24 h",
            "Tasks that Airflow failed for missing heartbeats within 24 hours: their worker or process was lost. Red "
            "from the first one on. No data if there never was one.",
            "zombies_killed",
            ANY_IS_BAD,
        ),
    ]


def _tries() -> list[Panel]:
    return [
        _count(
            "Total successful tasks, 24 h",
            "Tasks that succeeded within 24 hours, each mapped task and each run counted. Compare it with the days "
            "before by moving the time of the board.",
            "ti_successes",
            NO_LIMIT,
        ),
        _count(
            "Total failed tasks, 24 h",
            "Tries that failed within 24 hours. Airflow counts each try, also where another follows; the board "
            "Airflow tasks has the tasks that stay failed. Red from the first one on.",
            "ti_failures",
            ANY_IS_BAD,
        ),
    ]


def _operators() -> list[Panel]:
    return [
        _per_minute(
            "Operator success rate per minute",
            "Tasks that succeeded a minute, by class of their operator. 0 for all of them while DAGs should run means "
            "that no task ends well.",
            "operator_successes",
            "operator_name",
        ),
        _per_minute(
            "Operator failure rate per minute",
            "Tries that failed a minute, by class of their operator, also where another try follows. One class that "
            "fails alone points to what it connects to. No line for a class that never failed.",
            "operator_failures",
            "operator_name",
        ),
    ]


def _slots() -> list[Panel]:
    executor, pool, legend = ("executor_class_name",), ("pool_name",), f"{{{{{own.ID}}}}} {{{{pool_name}}}}"
    return [
        _gauge(
            "Executor open slots",
            "Tasks that executors can start at once, over all executors. Red at 0: nothing more starts until a task "
            "ends. `parallelism` of each scheduler is the most.",
            "executor_open_slots",
            ((None, "red"), (1, "green")),
            by=executor,
            width=6,
        ),
        _gauge(
            "Executor queued tasks",
            "Tasks that executors have accepted and not started, over all executors. One that stays above 0 while "
            "slots are open is a worker that is missing.",
            "executor_queued_tasks",
            NO_LIMIT,
            by=executor,
            width=6,
        ),
        _gauge(
            "Executor running tasks",
            "Tasks that executors run now, over all executors. Sensors that are deferred or rescheduled are not "
            "among them.",
            "executor_running_tasks",
            NO_LIMIT,
            by=executor,
            width=6,
        ),
        _gauge(
            "Pool starving tasks",
            "Tasks that are ready and find no open slot in their pool. Red from the first one on: the pool is too "
            "small, or its slots are occupied by tasks that hang.",
            "pool_starving_tasks",
            ANY_IS_BAD,
            by=pool,
            width=6,
        ),
        chart(
            Text(
                "Pool open slots",
                "Slots of each pool that are open. At 0 tasks of the pool wait, whatever the executor has open. A gap "
                "is a scheduler without heartbeats.",
                (_TASKS,),
            ),
            "none",
            [Query(own.gauge("pool_open_slots", by=pool, labels=AIRFLOW), legend)],
            ((None, "red"), (1, "green")),
            width=8,
        ),
    ]


def _jobs() -> list[Panel]:
    how = "Since Airflow 2.6 the class is not sent, and all of them are one line, job."
    return [
        _per_minute(
            "Jobs started per minute",
            "Airflow's own jobs that started: schedulers, triggerers, DAG processors, on Airflow 2 also one for each "
            f"task. {how} Starts of Airflow 3 without a deploy are restarts.",
            "job_start",
            "job_name",
            width=8,
        ),
        _per_minute(
            "Jobs ended per minute",
            f"The same jobs that ended in order. {how} Fewer ends than starts are jobs that were killed. No data if "
            "none ever ended.",
            "job_end",
            "job_name",
            width=8,
        ),
    ]


def _per_minute(title: str, description: str, family: str, label: str, *, width: int = 12) -> Panel:
    query = Query(own.per_minute(family, by=(label,), labels=AIRFLOW), f"{{{{{label}}}}}")
    return chart(Text(title, description, (_TASKS, _PIPELINE)), "cpm", [query], width=width)


def _runs(engine: Engine) -> list[Panel]:
    def own_timer(title: str, family: str, description: str) -> Panel:
        return timer(Text(title, f"{description} {_ALL_DAGS}", (_DAG,)), family, AIRFLOW)

    lasted = [
        Query(own.run_duration(share, labels=SERVICE, airflow=AIRFLOW, engine=engine), name) for share, name in SHARES
    ]
    return [
        own_timer("Success DAG run duration", "dagrun_duration_success", "Runs that succeeded."),
        own_timer("Failed DAG run duration", "dagrun_duration_failed", "Runs that failed."),
        chart(
            Text(
                "DAG run duration",
                "Runs that ended in any way, as batchtel's plugin measures them on every version of Airflow. "
                + _ALL_DAGS,
                (_DAG,),
            ),
            "s",
            lasted,
        ),
        own_timer(
            "DAG run dependency check time",
            "dagrun_dependency_check",
            "How long a scheduler needs to find what a run can start next. It grows with the tasks of a DAG and a "
            "slow database.",
        ),
        own_timer(
            "DAG run schedule delay",
            "dagrun_schedule_delay",
            "From the time at which a run is due to its start. Backfills and catch-up count with their whole age.",
        ),
    ]


_ALL_DAGS: Final = (
    "The buckets of all DAGs are added up, then p50, p95 and p99 are read; a line at the top bound is a lower limit."
)


def _gauge(
    title: str,
    description: str,
    family: str,
    limits: Limits,
    *,
    unit: str = "none",
    program: own.Program = "scheduler",
    by: Sequence[str] = (),
    width: int = 4,
) -> Panel:
    text = Text(title, f"{description} No data while its {_PROGRAMS[program]} has no heartbeats.", (_TASKS,))
    query = f"sum ({own.gauge(family, by=by, labels=AIRFLOW, program=program)})"
    return single(text, unit, query, limits, width=width)


def _count(title: str, description: str, family: str, limits: Limits) -> Panel:
    query = own.added(family, "1d", labels=AIRFLOW)
    return single(Text(title, description, (_TASKS,)), "none", query, limits, decimals=0)
