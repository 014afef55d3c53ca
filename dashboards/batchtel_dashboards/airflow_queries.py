"""Named queries about Airflow by its own metrics, `af_agg_*`, in PromQL; docs/airflow.md has what sends them.

There are no recording rules of them. Gauges keep their last value after Airflow has stopped, so each one is shown only
while the program that sends it has heartbeats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from batchtel_dashboards import queries
from batchtel_dashboards.engines import EXACT, GAP, Engine
from batchtel_dashboards.queries import NO_LABELS

FAMILY: Final = "af_agg_"
"""What every name begins with."""

ID: Final = "airflow_id"
"""Label of every family: the name of one Airflow."""

HEARTBEATS: Final = "5m"
"""Window in which a program that is alive has heartbeats: by default one every 5 s, under load fewer."""

Program = Literal["scheduler", "dag_processor"]


def added(
    family: str,
    window: str,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: the increase of a counter such as `ti_failures` within a window such as `1d`, or `$__interval`."""
    return f"sum{queries.by_clause(by)} ({_increase(family, window, labels, engine)})"


def per_minute(family: str, *, by: Sequence[str], labels: Mapping[str, str] = NO_LABELS, engine: Engine = EXACT) -> str:
    """PromQL: how much is added to a counter a minute, at each step of a chart."""
    return f"{added(family, '$__interval', by=by, labels=labels, engine=engine)} * 60000 / $__interval_ms"


def quantile(
    family: str,
    fraction: float,
    window: str,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: the seconds that `fraction` (0 to 1) of a timer's values in a window do not exceed.

    Buckets are added before, over all that `by` does not keep apart: quantiles themselves cannot be added.
    """
    buckets = added(f"{family}_bucket", window, by=(*by, "le"), labels=labels, engine=engine)
    return f"histogram_quantile({fraction}, {buckets})"


def gauge(
    family: str,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    program: Program = "scheduler",
    engine: Engine = EXACT,
) -> str:
    """PromQL: the last value of a gauge, per Airflow and `by`; no value where `program` has no heartbeats."""
    last = f"max{queries.by_clause((ID, *by))} ({FAMILY}{family}{queries.selector(labels)})"
    return f"{last} and on ({ID}) ({_alive(program, labels, engine)})"


def heartbeats(program: str, labels: Mapping[str, str] = NO_LABELS, *, engine: Engine = EXACT) -> str:
    """PromQL: the heartbeats of all schedulers, DAG processors or triggerers of each Airflow, within HEARTBEATS."""
    return added(f"{program}_heartbeat", HEARTBEATS, by=(ID,), labels=labels, engine=engine)


def run_duration(
    fraction: float,
    *,
    by: Sequence[str] = (),
    labels: Mapping[str, str] = NO_LABELS,
    airflow: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: as panel_queries.quantile() of `batch.job.duration`, of those jobs that are DAGs of an Airflow."""
    buckets = engine.trend(queries.total("batch.job.duration", "bucket"), queries.selector(labels))
    return f"histogram_quantile({fraction}, sum{queries.by_clause((*by, 'le'))} ({buckets} and {_dags(airflow)}))"


def runs_ended(
    *,
    labels: Mapping[str, str] = NO_LABELS,
    airflow: Mapping[str, str] = NO_LABELS,
    engine: Engine = EXACT,
) -> str:
    """PromQL: how many DAG runs ended at each step of a chart, by status, as batchtel counts them."""
    total = queries.total("batch.job.completions")
    ended = engine.increase(total, queries.selector(labels), "$__interval")
    return f"sum by (status) (({ended}) and {_dags(airflow)})"


def _dags(airflow: Mapping[str, str]) -> str:
    """Return the match of jobs whose name is that of a DAG: both have the same name."""
    ids = f"group by (dag_id) ({FAMILY}ti_finish{queries.selector(airflow)})"
    return f'on (job_name) label_replace({ids}, "job_name", "$1", "dag_id", "(.+)")'


def _alive(program: Program, labels: Mapping[str, str], engine: Engine) -> str:
    beats = heartbeats("scheduler", labels, engine=engine)
    if program == "scheduler":
        return f"{beats} > 0"
    own = heartbeats("dag_processor", labels, engine=engine)
    # Where no DAG processor has ever reported, as in Airflow 2, the scheduler parses DAGs.
    return f"({own} > 0) or (({beats} > 0) unless on ({ID}) ({own}))"


def _increase(family: str, window: str, labels: Mapping[str, str], engine: Engine) -> str:
    seconds, selector = queries.window_of(window), queries.selector(labels)
    if engine is EXACT:
        return EXACT.increase(FAMILY + family, selector, seconds)
    # With stock each start of the collector begins new series (label boot), which do not fall and have no zero.
    length = seconds if isinstance(seconds, str) else f"{seconds}s"
    now = f"last_over_time({FAMILY}{family}{selector}[{length}])"
    before = f"last_over_time({FAMILY}{family}{selector}[{GAP}s] offset {length})"
    return f"{now} - ({before} or {now} * 0)"
