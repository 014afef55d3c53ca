"""A task's row in Airflow's database, as far as it is loaded: did a process run the task, and who reports its end?

A row is reused: each retry and each clearing begins a new generation of it, with an id of its own, a UUID 7, which
holds the time; the other columns keep their values. So every time in a row is compared with that one.
A task that has a process is reported by it, or by the watch over it; all others where their state is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from batchtel.airflow import facts, outcomes
from batchtel.base.guard import harmless

AT_ONCE: Final = 0.5
"""Seconds in which Airflow writes down what it has decided."""


class TaskRow:
    """One row of the table `task_instance`; `operator` is its task, as the scheduler has it, or None."""

    def __init__(self, row: Any, operator: Any = None) -> None:
        self._row = row
        self._loaded = vars(row)
        self._operator = operator

    @cached_property
    def _task(self) -> facts.Task:
        return facts.task(self._row, self._operator)

    @property
    def _state(self) -> str:
        return facts.text(self._loaded.get("state"))

    def _time(self, column: str) -> float:
        return facts.moment(self._loaded.get(column)) or 0.0

    @property
    def _generation_started_at(self) -> float:
        """Unix time at which its present generation began; 0 for Airflow 2, which has no ids."""
        own = self._loaded.get("id")
        return (own.int >> 80) / 1000 if isinstance(own, UUID) and own.version == 7 else 0.0

    @property
    def has_begun(self) -> bool:
        """Whether a process has begun it, in its present generation."""
        if "last_heartbeat_at" in self._loaded:
            return self._time("last_heartbeat_at") > self._generation_started_at
        # Airflow 2: the name of the host, which a clearing does not remove.
        return bool(self._loaded.get("hostname")) and self._state != "upstream_failed"

    @property
    def has_ended(self) -> bool:
        """Whether it has ended since it began."""
        return self._time("end_date") >= self._time("start_date")

    @property
    def waits_for_process(self) -> bool:
        """Whether it is between two processes, deferred or to be poked again; False also where that cannot be seen.

        A state that is set by hand leaves the columns that it was queued, deferred and begun by.
        """
        deferred = self._loaded.get("trigger_id") is not None
        queued = "last_heartbeat_at" in self._loaded and self._time("last_heartbeat_at") < self._queued
        return self.has_begun and (deferred or queued)

    @property
    def _queued(self) -> float:
        return max(self._time("queued_dttm"), self._time("scheduled_dttm"))

    @property
    def waited_for_poke(self) -> bool:
        """Whether its last process had ended before its state was set; true of every ended task, too."""
        ended = self._time("end_date")
        return 0.0 < ended < self._time("updated_at") - AT_ONCE

    @property
    def is_counted(self) -> bool:
        """Whether an earlier attempt has already reported the start of this task."""
        task = self._task
        before = task.try_number - task.series_start + 1
        in_this_generation = self._queued > self._generation_started_at or self._ends_in_scheduler
        return before - in_this_generation > 0

    @property
    def _ends_in_scheduler(self) -> bool:
        """Whether it is an empty task that has succeeded without ever being scheduled."""
        return (
            self._state == "success"
            and self._time("end_date") > self._generation_started_at
            and not self._loaded.get("pid")
        )

    @property
    def was_refused(self) -> bool:
        """Whether the scheduler has failed it before a process began, and has called the hook for it."""
        ended, started = self._time("end_date"), self._time("start_date")
        return (
            self._state == "failed"
            and ended > self._generation_started_at
            and not self._generation_started_at < started <= ended
        )

    def as_task(self) -> facts.Task:
        """Return its facts with a start that belongs to its present generation."""
        started = self._task.started_at
        if started is None or started < self._generation_started_at:
            started = self._time("updated_at") or None
        return self._task._replace(started_at=started)


def of_run(run: Any) -> Iterator[TaskRow]:
    """Yield the tasks of a DAG run that Airflow has loaded and that have ended since the run started.

    They are read from the memory of the session: all of them where the scheduler finds that the run has ended, the
    unfinished ones where it is ended from outside. Airflow is not asked to load any.
    """
    session = getattr(getattr(run, "_sa_instance_state", None), "session", None)
    loaded = vars(run)
    started = facts.moment(loaded.get("start_date")) or 0.0
    tasks = getattr(loaded.get("dag"), "task_dict", {})
    for row in list(session.identity_map.values()) if session is not None else []:
        columns = vars(row)
        if type(row).__name__ != "TaskInstance" or columns.get("dag_id") != loaded.get("dag_id"):
            continue
        if columns.get("run_id") != loaded.get("run_id") or facts.text(columns.get("state")) not in outcomes.TASK_ENDED:
            continue
        # A run that was cleared in part ends again: what was not cleared has been reported.
        if (facts.moment(columns.get("updated_at")) or 0.0) >= started:
            yield TaskRow(row, tasks.get(columns.get("task_id")))


@harmless(False)
def poked_before(task: facts.Task, instance: Any) -> bool:
    """Return whether this process goes on with the pokes of an earlier one; False where Airflow 3 reports it.

    Airflow 2 has the pokes of a sensor that is rescheduled between them in its database only. It is asked in the task's
    process, where sensors ask the same table themselves, and of reschedule-mode sensors only, through a connection of
    its own: no session and no object of the task's is touched.
    """
    if not facts.is_row(instance) or not getattr(vars(instance).get("task"), "reschedule", False):
        return False
    from airflow import settings
    from airflow.models.taskreschedule import TaskReschedule

    table = TaskReschedule.__table__
    asked = table.select().where(
        table.c.dag_id == task.dag_id,
        table.c.run_id == task.run_id,
        table.c.task_id == task.task_id,
        table.c.map_index == task.map_index,
        table.c.try_number == task.try_number,
    )
    with settings.engine.connect() as connection:
        return connection.execute(asked.limit(1)).first() is not None
