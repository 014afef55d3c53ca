"""Airflow cluster: scheduler, DAG processor, executors and pools, and the DAG runs of all DAGs together."""

from __future__ import annotations

from typing import Final

from batchtel_dashboards import airflow_queries as own
from batchtel_dashboards.boards import variables
from batchtel_dashboards.boards.airflow_panels import (
    PIPELINE,
    PROGRAMS,
    SHARES,
    TASKS,
    count,
    gauge,
    per_minute,
    timer,
)
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
_ALIVE: Final[Limits] = ((None, "red"), (1, "green"))


def board(engine: Engine) -> Board:
    """Return the board for one way of adding up."""
    return Board(
        title="Batch: Airflow cluster",
        description="Does Airflow itself work: does it schedule, parse, and have space for tasks? It reads Airflow's "
        "own metrics, which an environment has with `airflow_metrics: true`.",
        sources=(PROMETHEUS,),
        variables=(variables.airflow(), variables.environment(), variables.service()),
        sections=(
            Section("Scheduler", [*_alive(engine), *_parsing(engine), *_tries(engine)]),
            Section("Operators", _operators(engine)),
            Section("Executor pool", [*_slots(engine), *_jobs(engine)]),
            Section("DAG stats: the runs of all DAGs", _runs(engine)),
        ),
    )


def _alive(engine: Engine) -> list[Panel]:
    beats = [
        Query(own.heartbeats(program, AIRFLOW, engine=engine), f"{{{{{own.ID}}}}} {name}")
        for program, name in PROGRAMS.items()
    ]
    return [
        single(
            Text(
                "Scheduler heartbeat",
                "Heartbeats of all schedulers within 5 minutes, of the Airflow that has fewest. One scheduler has "
                "up to 60. Red at 0: nothing is scheduled, or its metrics do not arrive. Look here first.",
                (PIPELINE,),
            ),
            "none",
            f"min ({own.heartbeats('scheduler', AIRFLOW, engine=engine)})",
            _ALIVE,
            decimals=0,
        ),
        chart(
            Text(
                "Heartbeats of each program",
                "Heartbeats within the 5 minutes before each point. A line at 0 is a program that has stopped; a line "
                "that halves is one of two that has. Airflow 2 has no DAG processor: its scheduler parses DAGs.",
                (PIPELINE,),
            ),
            "none",
            beats,
            _ALIVE,
            width=20,
        ),
    ]


def _parsing(engine: Engine) -> list[Panel]:
    return [
        gauge(
            engine,
            "Dagbag size",
            "How many DAGs the last full parse found. A fall is a bundle or folder that is missing, or files that no "
            "longer import.",
            "dagbag_size",
            NO_LIMIT,
            program="dag_processor",
        ),
        gauge(
            engine,
            "DAG processing total parse time",
            "Seconds for one parse of all DAG files. Yellow from 30 s, the default interval between two parses: "
            "changes are noticed late from there on. Red from 80 s on.",
            "dag_processing_total_parse_time",
            ((None, "green"), (30, "yellow"), (80, "red")),
            unit="s",
            program="dag_processor",
        ),
        gauge(
            engine,
            "Dagbag import errors",
            "DAG files that do not import. Their DAGs keep their last version, or are missing. Red from the first "
            "one on; the DAG processor's log has the traceback.",
            "dag_processing_import_errors",
            ANY_IS_BAD,
            program="dag_processor",
        ),
        count(
            engine,
            "Zombies killed, 24 h",
            "Tasks that Airflow failed for missing heartbeats within 24 hours: their worker or process was lost. Red "
            "from the first one on. No data if there never was one.",
            "zombies_killed",
            ANY_IS_BAD,
        ),
    ]


def _tries(engine: Engine) -> list[Panel]:
    return [
        count(
            engine,
            "Total successful tasks, 24 h",
            "Tasks that succeeded within 24 hours, each mapped task and each run counted. Compare it with the days "
            "before by moving the time of the board.",
            "ti_successes",
            NO_LIMIT,
        ),
        count(
            engine,
            "Total failed tasks, 24 h",
            "Tries that failed within 24 hours. Airflow counts each try, also where another follows; the board "
            "Airflow tasks has the tasks that stay failed. Red from the first one on.",
            "ti_failures",
            ANY_IS_BAD,
        ),
    ]


def _operators(engine: Engine) -> list[Panel]:
    return [
        per_minute(
            engine,
            "Operator success rate per minute",
            "Tasks that succeeded a minute, by class of their operator. 0 for all of them while DAGs should run means "
            "that no task ends well.",
            "operator_successes",
            "operator_name",
        ),
        per_minute(
            engine,
            "Operator failure rate per minute",
            "Tries that failed a minute, by class of their operator, also where another try follows. One class that "
            "fails alone points to what it connects to. No line for a class that never failed.",
            "operator_failures",
            "operator_name",
        ),
    ]


def _slots(engine: Engine) -> list[Panel]:
    executor, pool, legend = ("executor_class_name",), ("pool_name",), f"{{{{{own.ID}}}}} {{{{pool_name}}}}"
    return [
        gauge(
            engine,
            "Executor open slots",
            "Tasks that executors can start at once, over all executors. Red at 0: nothing more starts until a task "
            "ends. `parallelism` of each scheduler is the most.",
            "executor_open_slots",
            ((None, "red"), (1, "green")),
            by=executor,
            width=6,
        ),
        gauge(
            engine,
            "Executor queued tasks",
            "Tasks that executors have accepted and not started, over all executors. One that stays above 0 while "
            "slots are open is a worker that is missing.",
            "executor_queued_tasks",
            NO_LIMIT,
            by=executor,
            width=6,
        ),
        gauge(
            engine,
            "Executor running tasks",
            "Tasks that executors run now, over all executors. Sensors that are deferred or rescheduled are not "
            "among them.",
            "executor_running_tasks",
            NO_LIMIT,
            by=executor,
            width=6,
        ),
        gauge(
            engine,
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
                (TASKS,),
            ),
            "none",
            [Query(own.gauge("pool_open_slots", by=pool, labels=AIRFLOW, engine=engine), legend)],
            ((None, "red"), (1, "green")),
            width=8,
        ),
    ]


def _jobs(engine: Engine) -> list[Panel]:
    how = "Since Airflow 2.6 the class is not sent, and all of them are one line, job."
    return [
        per_minute(
            engine,
            "Jobs started per minute",
            "Airflow's own jobs that started: schedulers, triggerers, DAG processors, on Airflow 2 also one for each "
            f"task. {how} Starts of Airflow 3 without a deploy are restarts.",
            "job_start",
            "job_name",
            width=8,
        ),
        per_minute(
            engine,
            "Jobs ended per minute",
            f"The same jobs that ended in order. {how} Fewer ends than starts are jobs that were killed. No data if "
            "none ever ended.",
            "job_end",
            "job_name",
            width=8,
        ),
    ]


def _runs(engine: Engine) -> list[Panel]:
    def own_timer(title: str, family: str, description: str) -> Panel:
        return timer(Text(title, f"{description} {_ALL_DAGS}", (_DAG,)), family, AIRFLOW, engine=engine)

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
