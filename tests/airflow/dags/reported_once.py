"""A DAG that reports by callbacks, where the plugin reports it, too."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import batchtel
from batchtel.airflow import observe
from tests.airflow.authoring import dag, task


def reported(context: dict[str, Any]) -> None:
    """Count a record: what a callback of the DAG's own records belongs to the task."""
    batchtel.current_step().records(failed=1)


@observe
@dag(
    schedule="@once",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tags=["batchtel"],
    default_args={"retries": 2, "on_success_callback": reported},
)
def reported_once() -> None:
    """One task, whose thread counts for it."""

    @task
    def work() -> None:
        thread = threading.Thread(target=lambda: batchtel.current_step().records(read=2))
        thread.start()
        thread.join()

    work()


reported_once()
