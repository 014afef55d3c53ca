"""The data sources of the boards: their pinned uids, their plugins, and the variables that select them on a board."""

from __future__ import annotations

from typing import Final, NamedTuple


class Source(NamedTuple):
    """One data source of Grafana.

    Attributes:
        uid: what boards refer to by default, and what the provisioning file sets.
        name: for people.
        plugin: the type of data source, id of its plugin.
        variable: name of the variable that selects it on a board.
        address: environment variable of Grafana with its address.
    """

    uid: str
    name: str
    plugin: str
    variable: str
    address: str


PROMETHEUS: Final = Source("batchtel-prometheus", "Prometheus", "prometheus", "metrics", "BATCHTEL_PROMETHEUS_URL")
LOKI: Final = Source("batchtel-loki", "Loki", "loki", "logs", "BATCHTEL_LOKI_URL")
TEMPO: Final = Source("batchtel-tempo", "Tempo", "tempo", "traces", "BATCHTEL_TEMPO_URL")
VICTORIALOGS: Final = Source(
    "batchtel-victorialogs",
    "VictoriaLogs",
    "victoriametrics-logs-datasource",
    "logs",
    "BATCHTEL_VICTORIALOGS_URL",
)
JAEGER: Final = Source("batchtel-jaeger", "Jaeger", "jaeger", "traces", "BATCHTEL_JAEGER_URL")

SOURCES: Final = (PROMETHEUS, LOKI, TEMPO, VICTORIALOGS, JAEGER)
