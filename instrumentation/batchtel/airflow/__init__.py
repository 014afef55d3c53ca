"""Airflow: a DAG is a job, a DAG run a run, a task a step, a try an attempt.

Airflow finds `plugin` by its entry point; no DAG changes. What DAG files may ask for beyond that:

    from batchtel.airflow import child_environment, observe, records_from_result

`records_from_result` counts the rows that a task returns, `child_environment` hands trace and run to what an operator
starts elsewhere, and `observe` stands in for the plugin where there is none.
Nothing here imports Airflow but `plugin`, so that the helper process, which reports DAG runs, starts fast.
"""

from typing import TYPE_CHECKING

from batchtel.base.public_names import importer

if TYPE_CHECKING:
    from batchtel.airflow.callbacks import observe
    from batchtel.airflow.children import child_environment
    from batchtel.airflow.results import records_from_result

__all__ = ["child_environment", "observe", "records_from_result"]

_HOMES = {"child_environment": "children", "observe": "callbacks", "records_from_result": "results"}


__getattr__ = importer(globals(), _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
