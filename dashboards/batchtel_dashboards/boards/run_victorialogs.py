"""Run: one run by its id, where logs are in VictoriaLogs and traces in Jaeger."""

from __future__ import annotations

from batchtel_dashboards import detail_queries as details
from batchtel_dashboards.boards.board import Board
from batchtel_dashboards.boards.one_run import Stores, of_run
from batchtel_dashboards.boards.sources import JAEGER, VICTORIALOGS
from batchtel_dashboards.engines import Engine


def board(_: Engine) -> Board:
    """Return the board; runs are read from logs and traces, which are the same for both ways of adding up."""
    stores = Stores(
        logs=VICTORIALOGS,
        traces=JAEGER,
        records=details.logsql,
        errors=details.logsql_error(),
        asked=lambda text: {"expr": text, "queryType": "instant"},
        # Jaeger searches within one service, by its name without the namespace.
        trace={"queryType": "search", "service": "$service_name", "tags": details.jaeger_tags(), "limit": 20},
        field=lambda key: key,
    )
    return of_run("batch-run-victorialogs", stores)
