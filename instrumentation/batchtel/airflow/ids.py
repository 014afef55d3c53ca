"""Ids of the spans of DAG runs and tasks that every process finds by itself."""

from __future__ import annotations

from batchtel.airflow.facts import Task
from batchtel.runs.dag_run_ids import SpanIds, bits_of, of_dag_run


def of_rerun(root: SpanIds, started_at: float) -> SpanIds:
    """Return the ids of the span of a DAG run that was cleared and has started again, at a Unix time.

    Its tasks have the span of its first time only, `root`, below which this one is, too.
    """
    return root._replace(span_id=bits_of(8, "rerun", format(root.span_id, "x"), repr(started_at)))


def of_task(task: Task) -> SpanIds:
    """Return the ids of the span of one attempt, the same wherever and however often the attempt goes on."""
    key = (task.dag_id, task.run_id, task.task_id, str(task.map_index), str(task.try_number))
    return of_dag_run(task.dag_id, task.run_id, task.traceparent)._replace(span_id=bits_of(8, "task", *key))
