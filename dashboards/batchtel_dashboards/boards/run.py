"""Run: one run by its id, where logs are in Loki and traces in Tempo."""

from __future__ import annotations

from batchtel_dashboards import detail_queries as details
from batchtel_dashboards.boards.board import Board
from batchtel_dashboards.boards.one_run import Stores, of_run
from batchtel_dashboards.boards.sources import LOKI, TEMPO
from batchtel_dashboards.engines import Engine


def board(_: Engine) -> Board:
    """Return the board; runs are read from logs and traces, which are the same for both ways of adding up."""
    stores = Stores(
        logs=LOKI,
        traces=TEMPO,
        records=details.logql,
        errors=details.logql_error(),
        asked=lambda text: {"expr": text, "queryType": "range", "direction": "forward"},
        trace={
            "query": details.traceql(),
            "queryType": "traceql",
            "tableType": "spans",
            "limit": 100,
            "filters": [],
        },
        field=lambda key: key.replace(".", "_"),
    )
    return of_run("batch-run", stores)
