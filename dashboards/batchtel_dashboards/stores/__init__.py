"""Query clients of the stores: one interface for logs, one for traces, one client for each product.

Each client translates a query of the interface into the language of its product, and returns the same plain data. Each
error is a StoreError with the store, its address and its answer.
"""

from batchtel_dashboards.stores.answers import Firing, Record, Sample, Span
from batchtel_dashboards.stores.client import Access
from batchtel_dashboards.stores.interfaces import Logs, Traces, Wanted
from batchtel_dashboards.stores.jaeger import Jaeger
from batchtel_dashboards.stores.loki import Loki
from batchtel_dashboards.stores.prometheus import Prometheus
from batchtel_dashboards.stores.tempo import Tempo
from batchtel_dashboards.stores.victorialogs import VictoriaLogs

__all__ = [
    "Access",
    "Firing",
    "Jaeger",
    "Logs",
    "Loki",
    "Prometheus",
    "Record",
    "Sample",
    "Span",
    "Tempo",
    "Traces",
    "VictoriaLogs",
    "Wanted",
]
