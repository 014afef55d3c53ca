"""Earlier pokes of a sensor that is rescheduled between them: Airflow 2 has those in its database only.

Asked in the task's process, where sensors ask the same table themselves, and of reschedule-mode sensors only. The
connection is one of its own: no session and no object of the task's is touched.
"""

from __future__ import annotations

from typing import Any

from batchtel.airflow.facts import Task, is_row
from batchtel.base.guard import harmless


@harmless(False)
def poked_before(task: Task, instance: Any) -> bool:
    """Return whether this process goes on with the pokes of an earlier one; False where Airflow 3 reports it."""
    if not is_row(instance) or not getattr(vars(instance).get("task"), "reschedule", False):
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
