"""Facts of a task and of a DAG run, read from Airflow's objects without a query to its database.

A lazy attribute of an ORM object may ask the database in the middle of the scheduler's transaction, and a session that
is closed there ends the scheduler. So of ORM objects only loaded columns are read: those in `__dict__`.
"""

from __future__ import annotations

import contextlib
import re
import sys
from typing import Any, Final, NamedTuple

from batchtel.base.timestamps import iso
from batchtel.runs import dag_run_ids
from batchtel.runs.airflow_process import makes_spans

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Task(NamedTuple):
    """One try of a task.

    `series_start` is the try number that the present series of attempts began with: 1, unless the task was cleared.
    `retries` is how many attempts may follow the first of a series. `goes_on_again` means that this process continues
    an attempt that began in another one: after a deferral, or at a further poke of a sensor. `started_at` is Unix time.
    `traceparent` is that of Airflow's own trace, empty if it makes none. `owner` is the task's; `tags` are the DAG's,
    with commas between them; `logical_date` is that of the run, ISO 8601 in UTC. These and `team` are empty where
    Airflow has none.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str
    series_start: int
    retries: int
    goes_on_again: bool
    operator: str
    queue: str
    pool: str
    run_type: str
    started_at: float | None
    traceparent: str
    owner: str = ""
    team: str = ""
    tags: str = ""
    logical_date: str = ""

    @property
    def attempt(self) -> int:
        """Number of the attempt in its series, from 1."""
        return max(1, self.try_number - self.series_start + 1)

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """The identity of the attempt, the same in every process."""
        return self.dag_id, self.run_id, self.task_id, self.map_index, self.try_number

    @property
    def run_span_ids(self) -> dag_run_ids.SpanIds:
        """The ids of the span of its DAG run, which every process computes."""
        return dag_run_ids.of_dag_run(self.dag_id, self.run_id, self.traceparent)

    @property
    def span_ids(self) -> dag_run_ids.SpanIds:
        """The ids of the span of the attempt, the same wherever and however often it goes on."""
        own = dag_run_ids.bits_of(8, "task", *map(str, self.key))
        return self.run_span_ids._replace(span_id=own)


def task(instance: Any, operator: Any = None) -> Task:
    """Read a task instance: the one of a task process, or the ORM's, which may not have its `operator`."""
    column = columns(instance)
    operator = operator or column("task")
    server = getattr(instance, "_ti_context_from_server", None)
    retries = int(getattr(operator, "retries", None) or 0)
    most = column("max_tries")
    series_start = int(most) - retries + 1 if most is not None and operator is not None else 1
    run = getattr(server, "dag_run", None) or column("dag_run")
    return Task(
        dag_id=str(column("dag_id")),
        run_id=str(column("run_id")),
        task_id=str(column("task_id")),
        map_index=_number(column("map_index"), -1),
        try_number=_number(column("try_number", "_try_number"), 1),
        state=text(column("state", "_state")),
        series_start=max(1, series_start),
        retries=retries,
        goes_on_again=_has_been_here(server, column("next_method")) and not _starts_in_triggerer(operator),
        operator=text(getattr(operator, "task_type", None) or column("operator")),
        queue=text(getattr(operator, "queue", None) or column("queue")),
        pool=text(getattr(operator, "pool", None) or column("pool")),
        run_type=text(columns(run)("run_type")) if run is not None else "",
        started_at=moment(column("start_date")),
        traceparent=_traceparent(column("context_carrier")),
        owner=text(getattr(operator, "owner", None)),
        team=_team(run),
        tags=tags(_dag(operator)),
        logical_date=_logical_date(run),
    )


def _has_been_here(server: Any, next_method: Any) -> bool:
    return bool(getattr(server, "next_method", None) or getattr(server, "task_reschedule_count", 0) or next_method)


def _starts_in_triggerer(operator: Any) -> bool:
    """Return whether the task's first process goes on where the scheduler has deferred it to: none was there before.

    The schedulers of 3.1 and 3.2 have the setting commented out (apache/airflow issue 66307).
    """
    version = str(getattr(sys.modules.get("airflow"), "__version__", ""))
    return bool(getattr(operator, "start_from_trigger", False)) and not version.startswith(("3.1.", "3.2."))


def tags(dag: Any) -> str:
    """Return the tags of a DAG in their order, with commas between them, 500 characters of them."""
    return ",".join(sorted(map(str, getattr(dag, "tags", None) or ())))[:500]


def owners(dag: Any) -> str:
    """Return the owners of a DAG's tasks in their order, with commas between them."""
    tasks = getattr(dag, "tasks", None) or ()
    return ",".join(sorted({text(getattr(each, "owner", None)) for each in tasks} - {""}))[:500]


def _dag(operator: Any) -> Any:
    # It raises where there is none.
    with contextlib.suppress(Exception):
        return operator.dag


def _team(run: Any) -> str:
    # The scheduler stamps a run with it, from 3.3 on.
    return text(columns(run)("team_name", "_team_name")) if run is not None else ""


def _logical_date(run: Any) -> str:
    # Airflow 2 keeps it under its former name.
    date = moment(columns(run)("logical_date", "execution_date")) if run is not None else None
    return iso(date) if date is not None else ""


def _traceparent(carrier: Any) -> str:
    """Return the W3C traceparent in `carrier`, a column `context_carrier`; empty text where Airflow makes no spans.

    Without spans of its own Airflow fills the column all the same, with flags that no sampler has set: "not sampled"
    in 3.3, "sampled" in 3.2.
    """
    found = str(carrier.get("traceparent")) if hasattr(carrier, "get") and makes_spans() else ""
    return found if _TRACEPARENT.fullmatch(found) else ""


class DagRun(NamedTuple):
    """One DAG run; times are Unix seconds, None where Airflow has none.

    `traceparent` is that of Airflow's own span of the run, empty if it makes none. `is_rerun` means that it had ended
    before, and was cleared.
    """

    dag_id: str
    run_id: str
    run_type: str
    state: str
    scheduled_at: float | None
    queued_at: float | None
    started_at: float | None
    ended_at: float | None
    traceparent: str
    is_rerun: bool = False
    owner: str = ""
    team: str = ""
    tags: str = ""
    logical_date: str = ""

    @property
    def is_backfill(self) -> bool:
        """Whether it makes up for the past."""
        return self.run_type == "backfill"


def dag_run(run: Any) -> DagRun:
    """Read a DAG run of the ORM."""
    column = columns(run)
    queued_at, started_at = moment(column("queued_at")), moment(column("start_date"))
    return DagRun(
        dag_id=str(column("dag_id")),
        run_id=str(column("run_id")),
        run_type=text(column("run_type")),
        state=text(column("state", "_state")),
        # 3.0 and later have when a run was due; before, a scheduled run was due at the end of its interval.
        scheduled_at=moment(column("run_after", "data_interval_end")),
        queued_at=queued_at,
        started_at=started_at,
        ended_at=moment(column("end_date")),
        traceparent=_traceparent(column("context_carrier")),
        # A run that is cleared while it goes on is queued again, too, but not started again.
        is_rerun=bool(column("clear_number")) and (queued_at or 0.0) <= (started_at or 0.0),
        owner=owners(column("dag")),
        team=_team(run),
        tags=tags(column("dag")),
        logical_date=_logical_date(run),
    )


def inferred_reason(run: Any) -> str:
    """Return `timed_out` for a DAG run that failed by its `dagrun_timeout`: before 3.3 Airflow gives no reason."""
    column = columns(run)
    limit = getattr(column("dag"), "dagrun_timeout", None)
    started_at, ended_at = column("start_date"), column("end_date")
    failed = text(column("state", "_state")) == "failed"
    over = None not in (limit, started_at, ended_at) and ended_at - started_at >= limit
    return "timed_out" if failed and over else ""


def database() -> str:
    """Return the address of Airflow's database as this process has loaded it; empty where it may not use one."""
    address = str(getattr(sys.modules.get("airflow.settings"), "SQL_ALCHEMY_CONN", None) or "")
    return "" if address.startswith("airflow-db-not-allowed") else address


def text(value: Any) -> str:
    """Return an enumeration's value, or any other value as text; None as empty text."""
    return "" if value is None else str(getattr(value, "value", value))


def is_row(instance: Any) -> bool:
    """Return whether an object is a row of Airflow's database: every task instance of Airflow 2 is."""
    return "_sa_instance_state" in getattr(instance, "__dict__", {})


def state_before(row: Any) -> str:
    """Return the state that a row had when it was loaded, empty if it has not been changed since.

    Airflow 2 calls the hook for a dead task once more when the task is in a final state already.
    """
    if not is_row(row):
        return ""
    return text(row._sa_instance_state.committed_state.get("state"))


def columns(row: Any) -> Any:
    """Return a function that reads the first of several names that `row` has loaded, else None."""
    loaded = vars(row) if is_row(row) else None

    def column(*names: str) -> Any:
        for name in names:
            value = loaded.get(name) if loaded is not None else getattr(row, name, None)
            if value is not None:
                return value
        return None

    return column


def _number(value: Any, otherwise: int) -> int:
    return otherwise if value is None else int(value)


def moment(value: Any) -> float | None:
    """Return a datetime as Unix time."""
    return value.timestamp() if value is not None else None
