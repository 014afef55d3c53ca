"""The queries of the boards of runs on real stores: one job and one run id in several environments and services."""

from __future__ import annotations

import time
from typing import Final

import pytest

from batchtel_dashboards import detail_queries
from batchtel_dashboards.boards import variables
from batchtel_stack.stack import Stack
from tests.support.board_answers import Answers
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
    text = detail_queries.logsql(detail_queries.RUN_FINISHED)
    rows = Answers(stack, ".*", since).logged(text, job=JOB, run="same", **chosen)
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
    answers = Answers(stack, ".*", since)

    def answered(**chosen: str) -> list[str]:
        query = detail_queries.environment_tag(variables.JOB)
        return [row["metric"].get("tag", "") for row in answers.answer(query, __range="1h", job=JOB, **chosen)]

    def traces(tag: str) -> int:
        return len(answers.traces(SERVICE, detail_queries.jaeger_tags(), run="same", environment_tag=tag))

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
    assert answered() == []
    assert answered(environment="production") == ["deployment.environment.name=production"]
    assert answered(environment="") == [""]
    assert until("the traces", lambda: traces("") == len(PLACES) or None, 60)
    assert traces("deployment.environment.name=production") == 2
    assert traces("deployment.environment.name=test") == 1
