"""Row counts from the return value of a task, where its DAG asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from batchtel.base.guard import harmless
from batchtel.runs.api import current_job, current_step

_OF_STEP: Final = ("read", "written", "failed")


@harmless(None)
def records_from_result(context: Mapping[str, Any], result: Any = None) -> None:
    """Count the records of a task by what it returns; give it as `post_execute` of a task, or in `default_args`.

    Airflow calls it in the process of the task, with what goes to XCom: nothing is asked of Airflow's database or API.
    A result without counts is left alone, so a whole DAG can have it.

    Args:
        context: Airflow's context of the task; not used.
        result: A number, of records written; or a mapping with any of `read`, `written`, `failed` (of the task) and
            `processed` (of the DAG run).
    """
    if isinstance(result, bool):
        return
    if isinstance(result, int):
        result = {"written": result}
    if not isinstance(result, Mapping):
        return
    counts = {name: result[name] for name in _OF_STEP if name in result}
    if counts:
        current_step().records(**counts)
    if "processed" in result:
        current_job().records(processed=result["processed"])
