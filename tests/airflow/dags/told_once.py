"""A DAG that tells of itself by callbacks, where the plugin tells of it, too."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import batchtel
from batchtel.airflow import observe
from tests.airflow.authoring import dag, task


def told(context: dict[str, Any]) -> None:
    """Count a record: what a callback of the DAG's own tells belongs to the task."""
    batchtel.current_step().records(failed=1)


@observe
@dag(
    schedule="@once",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tags=["batchtel"],
    default_args={"retries": 2, "on_success_callback": told},
)
def told_once() -> None:
    """One task, whose thread counts for it."""

    @task
    def work() -> None:
        thread = threading.Thread(target=lambda: batchtel.current_step().records(read=2))
        thread.start()
        thread.join()

    work()


told_once()
