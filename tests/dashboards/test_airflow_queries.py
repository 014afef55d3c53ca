"""The queries about Airflow by its own metrics: each case on a real promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchtel_dashboards import airflow_queries
from batchtel_dashboards.engines import STOCK
from tests.dashboards.promtool import Case, evaluate

A = '{airflow_id="a"}'
B = '{airflow_id="b"}'
STEADY = "0+3x40"
STOPPED = "0+3x9 30x40"
"""Three heartbeats every 15 s, and such that stopped after 2 minutes."""

SLOTS = airflow_queries.gauge("executor_open_slots")
SIZE = airflow_queries.gauge("dagbag_size", program="dag_processor")
FAILURES = airflow_queries.added("ti_failures", "10m")
MEDIAN = airflow_queries.quantile("dagrun_duration_success", 0.5, "10m")


def _buckets(dag: str, values: tuple[str, str, str]) -> dict[str, str]:
    name = "af_agg_dagrun_duration_success_bucket"
    return {f'{name}{{dag_id="{dag}",le="{le}"}}': text for le, text in zip(("60", "300", "+Inf"), values, strict=True)}


CASES = (
    Case(
        "a gauge is shown while its scheduler has heartbeats, and no longer",
        {
            f"af_agg_executor_open_slots{A}": "7x60",
            f"af_agg_executor_open_slots{B}": "9x60",
            f"af_agg_scheduler_heartbeat{A}": STEADY,
            f"af_agg_scheduler_heartbeat{B}": STOPPED,
        },
        SLOTS,
        "10m",
        {A: 7},
    ),
    Case(
        "a DAG processor that has stopped hides its gauge, whatever the scheduler does",
        {
            f"af_agg_dagbag_size{A}": "20x60",
            f"af_agg_scheduler_heartbeat{A}": STEADY,
            f"af_agg_dag_processor_heartbeat{A}": STOPPED,
        },
        SIZE,
        "10m",
        {},
    ),
    Case(
        "without any DAG processor, as in Airflow 2, the scheduler's heartbeats count",
        {f"af_agg_dagbag_size{A}": "20x60", f"af_agg_scheduler_heartbeat{A}": STEADY},
        SIZE,
        "10m",
        {A: 20},
    ),
    Case("no counter at all is no value", {"af_agg_ti_successes": "3x60"}, FAILURES, "10m", {}),
    Case("a counter that does not move is 0", {"af_agg_ti_failures": "3x100"}, FAILURES, "20m", {"{}": 0}),
    Case(
        "a new series begins with a zero",
        {"af_agg_ti_failures": "_x59 0 2x20"},
        FAILURES,
        "20m",
        {"{}": 2},
    ),
    Case(
        "a series of stock is born with 2, and one ends with the restart after 3 more",
        {
            'af_agg_ti_failures{boot="1"}': "4x49 7x9 stale",
            'af_agg_ti_failures{boot="2"}': "_x62 2x20",
        },
        airflow_queries.added("ti_failures", "10m", engine=STOCK),
        "20m",
        {"{}": 5},
    ),
    Case(
        "the median of two DAGs is read from their added buckets: 1 fast run and 3 slow ones",
        _buckets("fast", ("_x59 0 1x20", "_x59 0 1x20", "_x59 0 1x20"))
        | _buckets("slow", ("_x59 0 0x20", "_x59 0 3x20", "_x59 0 3x20")),
        MEDIAN,
        "20m",
        {"{}": 140},
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.story)
def test_case(promtool: Path, tmp_path: Path, case: Case) -> None:
    """Promtool's answer is the case's."""
    assert evaluate(promtool, tmp_path, "", case) == ""


def test_runs_of_other_jobs_are_left_out(promtool: Path, tmp_path: Path) -> None:
    """A job that is no DAG of the selected Airflow does not count in the duration of DAG runs."""
    name = "batch_job_duration_seconds_bucket"
    samples = {
        f'{name}{{job_name="etl",le="60"}}': "0 0 1x40",
        f'{name}{{job_name="etl",le="+Inf"}}': "0 0 1x40",
        f'{name}{{job_name="cron",le="60"}}': "0 0 0x40",
        f'{name}{{job_name="cron",le="+Inf"}}': "0 0 9x40",
        'af_agg_ti_finish{dag_id="etl",task_id="load",state="success"}': "1x60",
    }
    query = airflow_queries.run_duration(0.5).replace("$__rate_interval", "10m")
    assert evaluate(promtool, tmp_path, "", Case("", samples, query, "10m", {"{}": 30})) == ""
