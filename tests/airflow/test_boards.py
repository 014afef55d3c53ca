"""The boards of an Airflow cluster and of its DAGs, on a real Airflow beside a real stack."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from batchtel_dashboards.boards import shipped
from batchtel_dashboards.engines import ENGINES
from tests.airflow.conftest import SERVICE, Played
from tests.support.boards import ALL, queries, substituted
from tests.support.polling import until

pytestmark = pytest.mark.airflow

BOARDS: Final = ("batch-airflow-cluster", "batch-airflow-dag")

WINDOW: Final = {"__interval": "1d", "__rate_interval": "1d", "__interval_ms": "86400000"}
"""A chart with one point, so that it has all that has happened."""

HEARTBEATS: Final = "Heartbeats of each program"
JOBS_ENDED: Final = "Jobs ended per minute"
ZOMBIES: Final = "Zombies killed, 24 h"
TIMERS: Final = (
    "Success DAG run duration",
    "Failed DAG run duration",
    "DAG run dependency check time",
    "DAG run schedule delay",
)
EMPTY: Final = {
    # Its job of the scheduler has not ended. A killed task may have been found by its worker before.
    "3.3": {JOBS_ENDED, ZOMBIES},
    # The scheduler parses DAGs.
    "2.11": {HEARTBEATS, ZOMBIES},
    "2.10": {HEARTBEATS, ZOMBIES},
    "3.1": {JOBS_ENDED, ZOMBIES, *TIMERS},
}
"""Version of Airflow -> panels of which a query may have no data, as their descriptions state."""


def _answer(played: Played, query: str, **chosen: str) -> list[dict[str, Any]]:
    text = substituted(query, {**ALL, **WINDOW, "service": SERVICE, **chosen})
    rows: list[dict[str, Any]] = played.prometheus.found("/api/v1/query", {"query": text}, "data", "result")
    return rows


def _queries(uid: str, aggregation: str = "exact") -> list[tuple[str, str]]:
    return list(queries(json.loads(shipped.texts(aggregation)[uid])))


@pytest.mark.parametrize("aggregation", ENGINES)
@pytest.mark.parametrize("uid", BOARDS)
def test_every_query_runs(played: Played, uid: str, aggregation: str) -> None:
    """None has an error of types or labels in Prometheus."""
    for _, query in _queries(uid, aggregation):
        _answer(played, query)


@pytest.mark.parametrize("uid", BOARDS)
def test_every_panel_has_data(played: Played, uid: str) -> None:
    """But those whose descriptions state that they may have none."""
    empty: set[str] = set()

    def look() -> bool | None:
        empty.clear()
        empty.update(title for title, query in _queries(uid) if not _answer(played, query))
        return empty <= EMPTY[played.version] or None

    until(f"data in the panels of {uid}", look, 90, lambda: f"no data in {empty - EMPTY[played.version]}")


def test_numbers_are_those_of_airflow(played: Played) -> None:
    """Runs of a DAG by status, tries of its tasks by state, durations between the shortest and the longest run."""
    by_title = dict(_queries("batch-airflow-dag"))

    def values(title: str, label: str, dag: str) -> dict[str, float]:
        rows = _answer(played, by_title[title], job=dag)
        return {row["metric"][label]: float(row["value"][1]) for row in rows}

    ended = "DAG runs that ended, by status"
    until("the run of race", lambda: values(ended, "status", "race") == {"failure": 1} or None, 60)
    assert values(ended, "status", "etl") == {"success": 1}
    if played.version != "3.1":
        finished = "Tasks that finished, by Airflow's state"
        until("the tasks of race", lambda: values(finished, "state", "race") == {"failed": 10} or None, 60)
    (slots,) = _answer(played, dict(_queries("batch-airflow-cluster"))["Executor open slots"])
    assert 0 <= float(slots["value"][1]) <= 10


def test_an_airflow_that_is_not_there_has_no_data(played: Played) -> None:
    """Nothing becomes 0 where there is nothing."""
    for uid in BOARDS:
        for title, query in _queries(uid):
            if "$airflow" in query:
                assert _answer(played, query, airflow="no-such-airflow") == [], title
