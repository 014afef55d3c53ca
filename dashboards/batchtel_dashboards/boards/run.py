"""Run: one run by its id, where logs are in Loki and traces in Tempo."""

from __future__ import annotations

from batchtel_dashboards import detail_queries as details
from batchtel_dashboards.boards.board import Board
from batchtel_dashboards.boards.one_run import Stores, of_run
from batchtel_dashboards.boards.sources import LOKI, TEMPO
from batchtel_dashboards.engines import Engine


def board(_: Engine) -> Board:
    """Return the board; runs are read from logs and traces, which are the same for both ways of adding up."""

    def logs(text: str) -> dict[str, str]:
        return {"expr": text, "queryType": "range", "direction": "forward"}

    stores = Stores(
        logs=LOKI,
        traces=TEMPO,
        runs=logs(details.logql(details.RUN_FINISHED, one=False)),
        finished=logs(details.logql(details.RUN_FINISHED)),
        steps=logs(details.logql(details.STEP_FINISHED)),
        errors=logs(details.logql_error()),
        records=logs(details.logql()),
        trace={"query": details.traceql(), "queryType": "traceql", "tableType": "spans", "limit": 100},
        field=lambda key: key.replace(".", "_"),
    )
    return of_run("batch-run", stores)
