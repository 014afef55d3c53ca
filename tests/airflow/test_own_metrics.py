"""Airflow's own metrics: what its list has is in the table, and what it sends is in Prometheus."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from batchtel_collector.render import airflow_metrics
from batchtel_collector.render.airflow_metrics import DROPPED, MAPPED
from batchtel_dashboards.stores import Sample
from tests.airflow.conftest import SERVICE, Played
from tests.airflow.installation import install
from tests.support.polling import until

pytestmark = pytest.mark.airflow

SECONDS: Final = 60.0
"""How long a metric may need into Prometheus: an export, an export interval and a scrape, each of a second."""

LOSES: Final = "3.1"
"""Its task processes cannot have a provider of their own after the fork, as they log; once 9 counts of 10 arrived.

https://github.com/apache/airflow/issues/64690; 3.2 resets the SDK before.
"""

RUNS: Final = 2
"""How often the DAG `daily` runs."""

_PARTS: Final = ("_bucket", "_count", "_sum")


def _list(version: str) -> list[dict[str, Any]]:
    """Return Airflow's list of its metrics, as it is installed; 2.x and 3.1 have none."""
    (file,) = install(version).parent.glob("lib/*/site-packages/airflow/_shared/observability/metrics/*.yaml")
    metrics: list[dict[str, Any]] = yaml.safe_load(Path(file).read_text(encoding="utf-8"))["metrics"]
    return metrics


def _shape(name: str) -> str:
    """Return a name whose ids are called alike, whatever the table and the list call them."""
    return re.sub(r"\{\w+\}", "{}", name)


def test_every_metric_of_airflows_list_is_in_the_table() -> None:
    """Each name is kept, as what it is, or dropped for a reason; over StatsD in both of its forms."""
    kinds = {_shape(name): row.kind for row in MAPPED for name in (row.name, row.tagged, row.otlp_name) if name}
    dropped = {_shape(row.name) for row in DROPPED}
    listed = [(_shape(name), row["type"]) for row in _list("3.3") for name in (row["name"], row["legacy_name"])]
    # A bundle's name, which is a part of the file's in the table.
    names = {(name.replace("last_duration.{}.{}", "last_duration.{}"), kind) for name, kind in listed if name != "-"}
    assert len(names) > 150
    unknown = {name for name, _ in names if name not in kinds and name not in dropped}
    assert unknown == set()
    wrong = {(name, kind) for name, kind in names if kinds.get(name, kind).replace("level", "counter") != kind}
    assert wrong == set()
    assert all(row.reason for row in DROPPED)


def _family(name: str) -> str:
    """Return the family of a series by its name."""
    return next((name.removesuffix(part) for part in _PARTS if name.endswith(part)), name)


def _value(played: Played, query: str) -> float:
    """Return the value of a query about Airflow's own metrics as soon as it has one other than 0."""
    return until(f"{query} in Prometheus", lambda: played.prometheus.value(query) or None, SECONDS)


def _wait(played: Played, query: str, amount: float) -> None:
    """Return when the only series of a query has this value."""
    seen: list[Sample] = []

    def look() -> bool | None:
        seen[:] = played.prometheus.query(query)
        return [sample.value for sample in seen] == [amount] or None

    until(f"{amount:g} of {query} in Prometheus", look, SECONDS, lambda: f"last seen: {seen}")


def test_what_an_airflow_reports_of_itself(played: Played) -> None:
    """Its scheduler, triggerer, parsing, pools and executor slots, as gauges and counters that name the Airflow."""
    for family in ("scheduler_heartbeat", "triggerer_heartbeat", "ti_successes", "dag_processing_total_parse_time"):
        assert _value(played, f'af_agg_{family}{{airflow_id="airflow"}}') > 0
    assert _value(played, 'af_agg_pool_open_slots{pool_name="default_pool"}') <= 128
    executor = "" if played.version.startswith("2.") else 'executor_class_name="LocalExecutor"'
    assert _value(played, f"af_agg_executor_open_slots{{{executor}}}") <= 10
    assert _value(played, 'af_agg_dag_processing_last_run_seconds{dag_file="etl"}') > 0


def test_its_tasks_are_counted(played: Played) -> None:
    """As often as they have ended, by DAG, task and state; ids with dots are whole."""
    if played.version == LOSES:
        assert 1 <= _value(played, 'sum(af_agg_ti_finish{dag_id="race",task_id="fail",state="failed"})') <= 10
        return
    _wait(played, 'af_agg_ti_finish{dag_id="race",task_id="fail",state="failed"}', 10)
    assert _value(played, 'af_agg_ti_finish{dag_id="etl",task_id="store.load",state="success"}') == 1
    assert _value(played, 'af_agg_operator_failures{operator_name="_PythonDecoratedOperator"}') >= 10


def test_its_timers(played: Played) -> None:
    """Durations of tasks, DAGs and parsing are histograms in seconds; 3.0 to 3.2 report the last only and have none."""
    if played.version == "3.1":
        timers = airflow_metrics.families("timer")
        assert played.prometheus.series(f'{{__name__=~"({"|".join(timers)}).*"}}') == []
        return
    assert _value(played, 'af_agg_dag_task_duration_count{dag_id="etl",task_id="store.load"}') == 1
    assert _value(played, 'af_agg_dagrun_duration_failed_count{dag_id="race"}') == 1
    assert 1 < _value(played, 'af_agg_dagrun_duration_failed_sum{dag_id="race"}') < 300
    assert _value(played, 'af_agg_dag_processing_duration_count{dag_file=~".*etl"}') >= 1
    assert _value(played, "af_agg_scheduler_loop_duration_count") > 0


def test_series_do_not_grow_with_runs(played: Played) -> None:
    """Several runs of a DAG are in one series each, with the labels of the table, and no label names a run."""
    played.airflow.wait("daily", runs=RUNS)
    finished = 'af_agg_ti_finish{dag_id="daily",state="success"}'
    if played.version != LOSES:
        _wait(played, finished, RUNS)
    found = played.prometheus.series('{__name__=~"af_agg_.*"}')
    families = {row.prometheus_name for row in MAPPED}
    for series in found:
        family = _family(series["__name__"])
        assert family in families
        allowed = {*airflow_metrics.labels(family), "__name__", "job", "instance", "boot", "le"}
        assert set(series) <= allowed, series
        assert series["job"] in (SERVICE, "Airflow", "airflow")
    runs = [str(run_id) for (run_id,) in played.airflow.rows("SELECT run_id FROM dag_run")]
    assert len(runs) > RUNS
    assert not [series for series in found if any(run in str(series) for run in runs)]
