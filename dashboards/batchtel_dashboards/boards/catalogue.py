"""The boards by their uid: the name of the module with `batch-` before it, and the JSON of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from batchtel_dashboards.boards import (
    airflow_cluster,
    airflow_dag,
    airflow_tasks,
    board,
    fleet,
    job,
    pipeline,
    run,
    run_victorialogs,
    sla,
)
from batchtel_dashboards.engines import ENGINES, Engine

_MODULES: Final = (fleet, job, pipeline, sla, run, run_victorialogs, airflow_tasks, airflow_cluster, airflow_dag)

BOARDS: Final[dict[str, Callable[[Engine], board.Board]]] = {
    f"batch-{module.__name__.rpartition('.')[2].replace('_', '-')}": module.board for module in _MODULES
}
"""uid -> what returns the board for an engine."""


def text(uid: str, aggregation: str) -> str:
    """Return the JSON of a board for an `aggregation` of `engines.ENGINES`."""
    return board.built(uid, BOARDS[uid](ENGINES[aggregation]))
