"""Provisioning files of Grafana: the provider of the boards, and the data sources that they read.

https://grafana.com/docs/grafana/latest/administration/provisioning/. Addresses are environment variables of Grafana,
so one file serves every environment and holds no credentials.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from batchtel_dashboards.boards.sources import JAEGER, LOKI, PROMETHEUS, TEMPO, VICTORIALOGS, Source

FOLDER: Final = "batchtel"
"""Folder of the boards in Grafana."""

HEADER: Final = "# Written by `batchtel dashboards build`.\n"

STORES: Final = {
    "loki-tempo": (LOKI, TEMPO),
    "victorialogs-jaeger": (VICTORIALOGS, JAEGER),
}
"""The two pairs of stores of logs and traces; the data sources are those of one."""


def provider(boards: Path) -> str:
    """Return the file that makes Grafana load the boards in a folder."""
    entry = {
        "name": FOLDER,
        "folder": FOLDER,
        "type": "file",
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": str(boards)},
    }
    return _yaml({"apiVersion": 1, "providers": [entry]})


def sources(stores: str) -> str:
    """Return the data sources for one of STORES, with links from exemplars and logs to traces, and back to logs."""
    logs, traces = STORES[stores]
    exemplars = {"exemplarTraceIdDestinations": [{"name": "trace_id", "datasourceUid": traces.uid}]}
    entries = [
        _entry(PROMETHEUS, {"timeInterval": "15s", "httpMethod": "POST", **exemplars}),
        _entry(logs, _of_logs(traces)),
        _entry(traces, _of_traces(logs)),
    ]
    return _yaml({"apiVersion": 1, "datasources": entries})


def _of_logs(traces: Source) -> dict[str, Any]:
    # A derived field reads the label of structured metadata in which stores of logs keep the id of the trace.
    field = {
        "name": "trace",
        "matcherType": "label",
        "matcherRegex": "trace_id",
        "datasourceUid": traces.uid,
        "url": "$${__value.raw}",
        "urlDisplayLabel": "Trace",
    }
    return {"derivedFields": [field]}


def _of_traces(logs: Source) -> dict[str, Any]:
    # A store of logs finds the records of a span by the id of its trace, an hour around it for clocks that differ.
    query = {
        LOKI: '{service_name="$${__span.tags["service.name"]}"} | trace_id="$${__trace.traceId}"',
        VICTORIALOGS: 'trace_id:="$${__trace.traceId}"',
    }[logs]
    return {
        "tracesToLogsV2": {
            "datasourceUid": logs.uid,
            "spanStartTimeShift": "-1h",
            "spanEndTimeShift": "1h",
            "customQuery": True,
            "query": query,
        }
    }


def _entry(source: Source, settings: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "uid": source.uid,
        "name": source.name,
        "type": source.plugin,
        "access": "proxy",
        "url": f"${source.address}",
    }
    return entry | ({"jsonData": settings} if settings else {})


def _yaml(content: dict[str, Any]) -> str:
    return HEADER + yaml.safe_dump(content, sort_keys=False, width=1000)
