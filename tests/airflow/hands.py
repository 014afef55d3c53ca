"""What somebody does by hand in Airflow's user interface, through the same API."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import urllib3

from tests.airflow.lines import Airflow3
from tests.support.polling import until

SECONDS: Final = 180.0
"""How long a task may need to be in the state that a test waits for."""


class Hands:
    """Somebody who is logged in to Airflow 3, and looks at the only run of each DAG."""

    def __init__(self, airflow: Airflow3) -> None:
        self._airflow = airflow
        self._pool = urllib3.PoolManager(timeout=60.0)
        self._token = self._ask("GET", "/auth/token")["access_token"]

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if path.startswith("/api/") else {}
        answers: list[tuple[int, bytes]] = []

        def look() -> Any:
            answer = self._pool.request(method, self._airflow.url + path, json=body, headers=headers)
            answers.append((answer.status, answer.data))
            return answer if answer.status < 500 else None

        answer = until(f"an answer to {method} {path}", look, 60, lambda: f"last answer: {answers[-1:]}")
        assert answer.status < 300, (method, path, body, *answers[-1])
        return answer.json()

    def wait(self, dag_id: str, **states: str) -> None:
        """Return when the tasks of the DAG are in the states that the names of the arguments are given."""
        seen: dict[str, str] = {}

        def look() -> bool | None:
            seen.update({task_id: state for task_id, _, state, _ in self._airflow.tasks(dag_id)})
            return all(seen.get(task_id) == state for task_id, state in states.items()) or None

        until(f"tasks of {dag_id} in the states {states}", look, SECONDS, lambda: f"last seen: {seen}")

    def set_task(self, dag_id: str, task_id: str, state: str) -> None:
        """Set the state of one task."""
        path = f"{self._run(dag_id)}/taskInstances/{task_id}"
        self._ask("PATCH", path, {"new_state": state})

    def set_run(self, dag_id: str, state: str) -> None:
        """Set the state of the run."""
        self._ask("PATCH", self._run(dag_id), {"state": state})

    def clear(self, dag_id: str, *task_ids: str) -> None:
        """Clear tasks with all that are behind them, so that they run again."""
        body = {
            "dry_run": False,
            "only_failed": False,
            "dag_run_id": self._run_id(dag_id),
            "task_ids": task_ids,
            "include_downstream": True,
        }
        answer = self._ask("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)
        assert answer["total_entries"] >= len(task_ids), answer

    def trigger(self, dag_id: str) -> None:
        """Start a run."""
        self._ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})

    def add_pool(self, name: str, slots: int) -> None:
        """Make a pool for so many tasks at a time."""
        self._ask("POST", "/api/v2/pools", {"name": name, "slots": slots})

    def _run_id(self, dag_id: str) -> str:
        ((run_id,),) = self._airflow.rows("SELECT run_id FROM dag_run WHERE dag_id = ?", dag_id)
        return str(run_id)

    def _run(self, dag_id: str) -> str:
        return f"/api/v2/dags/{dag_id}/dagRuns/{quote(self._run_id(dag_id), safe='')}"
