"""The queries of the boards of runs on real stores: one job and one run id in several environments and services."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

import pytest

from batchtel_dashboards import detail_queries
from batchtel_dashboards.boards import variables
from batchtel_dashboards.stores import Jaeger, VictoriaLogs
from batchtel_stack.stack import Stack
from tests.support.boards import ALL, substituted
from tests.support.polling import until
from tests.support.process import start

SERVICE: Final = "run-boards"
JOB: Final = "run_boards"

SCRIPT: Final = """
import sys, batchtel
with batchtel.job("run_boards"):
    pass
"""

PLACES: Final = (("test", "etl"), ("production", "etl"), ("production", "load"), ("", ""))
"""Environment and namespace of each run; the last one has neither."""


@pytest.fixture(scope="module")
def since(stack: Stack) -> float:
    """Unix time before the runs, all of which are in the stores."""
    before = time.time()
    for environment, namespace in PLACES:
        attributes = {"deployment.environment.name": environment, "service.namespace": namespace}
        done = start(
            SCRIPT,
            None,
            OTEL_EXPORTER_OTLP_ENDPOINT=stack.otlp_http,
            OTEL_SERVICE_NAME=SERVICE,
            OTEL_RESOURCE_ATTRIBUTES=",".join(f"{key}={text}" for key, text in attributes.items() if text),
            BATCHTEL_RUN_ID="same",
        )
        _, errors = done.communicate(timeout=60)
        assert done.returncode == 0, errors
    until("the runs", lambda: len(_logged(stack, before)) == len(PLACES) or None, 60)
    return before


def _logged(stack: Stack, since: float, **chosen: str) -> set[tuple[str, str]]:
    """Return environment and service of each run that the query of the board finds."""
    (store,) = stack.stores.logs
    assert isinstance(store, VictoriaLogs)
    text = detail_queries.logsql(detail_queries.RUN_FINISHED)
    query = substituted(text, {**ALL, "job": JOB, "run": "same", **chosen})
    body = store.get("/select/logsql/query", {"query": query, "start": int(since * 1e9), "limit": 100})
    rows = [json.loads(line) for line in (body or b"").splitlines()]
    return {(row.get("deployment.environment.name", ""), row[detail_queries.SERVICE]) for row in rows}


ETL: Final = f"etl/{SERVICE}"
LOAD: Final = f"load/{SERVICE}"

CASES: Final[tuple[tuple[dict[str, str], set[tuple[str, str]]], ...]] = (
    ({}, {("test", ETL), ("production", ETL), ("production", LOAD), ("", SERVICE)}),
    ({"environment": "test"}, {("test", ETL)}),
    ({"environment": "(test|production)"}, {("test", ETL), ("production", ETL), ("production", LOAD)}),
    ({"environment": ""}, {("", SERVICE)}),
    ({"service": ETL}, {("test", ETL), ("production", ETL)}),
    ({"service": f"({ETL}|{SERVICE})", "environment": ".*"}, {("test", ETL), ("production", ETL), ("", SERVICE)}),
    ({"service": SERVICE}, {("", SERVICE)}),
    ({"service": LOAD, "environment": "test"}, set()),
)


@pytest.mark.parametrize(("chosen", "found"), CASES, ids=[str(chosen) for chosen, _ in CASES])
def test_log_records_of_one_environment_and_service(
    stack: Stack, since: float, chosen: dict[str, str], found: set[tuple[str, str]]
) -> None:
    """VictoriaLogs finds the runs of what is selected, and those without an environment where all are."""
    assert _logged(stack, since, **chosen) == found


def test_traces_of_one_environment(stack: Stack, since: float) -> None:
    """The tag that Prometheus returns selects the traces of one environment; there is none where several are left."""
    (store,) = stack.stores.traces
    assert isinstance(store, Jaeger)

    def answered(chosen: dict[str, str]) -> Callable[[], list[str] | None]:
        text = detail_queries.environment_tag(variables.JOB)
        query = substituted(text, {**ALL, "__range": "1h", "job": JOB, **chosen})
        fields = {"query": query, "time": time.time()}

        def look() -> list[str] | None:
            rows = stack.stores.prometheus.found("/api/v1/query", fields, "data", "result")
            return [row["metric"].get("tag", "") for row in rows]

        return look

    def traces(tag: str) -> int:
        tags = dict(
            parse_qsl(substituted(detail_queries.jaeger_tags(), {"run": "same", "environment_tag": tag}), separator=" ")
        )
        fields = {"service": SERVICE, "start": int(since * 1e6), "end": int(time.time() * 1e6), "limit": 100}
        return len(store.found("/api/traces", fields | {"tags": json.dumps(tags)}, "data") or [])

    runs = f'count(batch_job_runs_started_total{{job_name="{JOB}"}})'
    until(
        "all series",
        lambda: (
            [
                row
                for row in stack.stores.prometheus.found("/api/v1/query", {"query": runs}, "data", "result")
                if row["value"][1] == str(len(PLACES))
            ]
            or None
        ),
        60,
    )
    assert answered({})() == []
    assert answered({"environment": "production"})() == ["deployment.environment.name=production"]
    assert answered({"environment": ""})() == [""]
    assert until("the traces", lambda: traces("") == len(PLACES) or None, 60)
    assert traces("deployment.environment.name=production") == 2
    assert traces("deployment.environment.name=test") == 1
