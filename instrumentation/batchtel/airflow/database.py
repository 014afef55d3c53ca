"""Queries of the scheduler's helper to Airflow's database, in its own connection: what waits, which runs were last.

No hook comes here. SQLAlchemy is Airflow's; Airflow itself is not imported, which would need the memory of a scheduler.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

WAITING_RUNS: Final = "SELECT dag_id, MAX(queued_at) FROM dag_run WHERE state = 'queued' GROUP BY dag_id"

WAITING_TASKS: Final = (
    "SELECT dag_id, task_id, state, MAX(queued_dttm), MAX(updated_at) FROM task_instance "
    "WHERE state IN ('queued', 'scheduled') GROUP BY dag_id, task_id, state"
)

IS_OPEN: Final = "SELECT 1 FROM dag_run WHERE dag_id = :dag_id AND run_id = :run_id AND state IN ('running', 'queued')"


class Waiting(NamedTuple):
    """A DAG of which a run waits, or a task of it, with an empty `task_id` for the run.

    `since` is when the last one of them entered the `state`, Unix time.
    """

    dag_id: str
    task_id: str
    state: str
    since: float


class Database:
    """Airflow's database at `url`, as SQLAlchemy reads it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: Any = None

    @property
    def _engine(self) -> Any:
        if self._made is None:
            from sqlalchemy import create_engine
            from sqlalchemy.pool import NullPool

            self._made = create_engine(self._url, poolclass=NullPool)
        return self._made

    def waiting(self) -> Iterator[Waiting]:
        """Yield what is queued or scheduled, once a DAG and once a task and state; raises what SQLAlchemy raises."""
        for dag_id, since in self._rows(WAITING_RUNS):
            if since is not None:
                yield Waiting(dag_id, "", "queued", _unix(since))
        for dag_id, task_id, state, queued, changed in self._rows(WAITING_TASKS):
            since = (queued if state == "queued" else None) or changed
            if since is not None:
                yield Waiting(dag_id, task_id, state, _unix(since))

    def is_open(self, dag_id: str, run_id: str) -> bool:
        """Return whether a DAG run has not ended; raises what SQLAlchemy raises."""
        return bool(self._rows(IS_OPEN, dag_id=dag_id, run_id=run_id))

    def _rows(self, query: str, **values: str) -> list[Any]:
        from sqlalchemy import text

        with self._engine.connect() as connection:
            return list(connection.execute(text(query), values).fetchall())


def _unix(moment: Any) -> float:
    """Return a time as a database gives it, with a zone or in UTC, as text in SQLite."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return float((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp())
