"""The alerts about the collectors: what is down, full or rejected between jobs and stores."""

from __future__ import annotations

from typing import Final

from batchtel_dashboards import collector_queries
from batchtel_dashboards.alerts.alert import Alert
from batchtel_dashboards.alerts.scopes import pipeline

_AT: Final = "{{ with $labels.instance }}{{ . }}{{ else }}all{{ end }}"

_MUTING: Final = 1200
"""Seconds for which an alert is kept that mutes others: longer than those are kept, which may have fired meanwhile."""
NEAR: Final = 0.8
"""Share of a limit above which BatchSeriesLimitNear fires."""

ALERTS: Final = (
    Alert(
        "BatchCollectorDown",
        "critical",
        "A collector has exported no metrics of its own for 3 minutes, or none exports any.",
        f"Collector down: {_AT}",
        f"No metrics of the collector itself for 3 minutes ({_AT}). Jobs keep and spool what they can.",
        # Before the condition of BatchRunLost holds for every job that runs.
        pipeline(collector_queries.missing(silence="2m"), 60),
        keep=_MUTING,
    ),
    Alert(
        "BatchQueueFilling",
        "warning",
        "A queue of a collector is more than half full for 5 minutes.",
        f"Queue {{{{ $labels.exporter }}}} of {_AT} is filling",
        f"The queue is {{{{ $value | humanizePercentage }}}} full ({_AT}). A full queue refuses requests.",
        pipeline(f"max by (instance, exporter) ({collector_queries.queue_fill()}) > 0.5", 300),
        keep=900,
    ),
    Alert(
        "BatchExportFailing",
        "critical",
        "Something is queued for a store, and nothing was delivered to it for 10 minutes.",
        f"Nothing is delivered to {{{{ $labels.exporter }}}} by {_AT}",
        f"{{{{ $value | humanize }}}} bytes or requests are queued, and none was delivered for 10 minutes ({_AT}).",
        pipeline(collector_queries.stuck("10m"), 60),
        keep=_MUTING,
    ),
    Alert(
        "BatchDataRejected",
        "warning",
        "A collector has dropped data points that no rule of yours excludes.",
        f"{_AT} drops data: {{{{ $labels.reason }}}}",
        f"{{{{ $value | humanize }}}} data points of the last hour were dropped: {{{{ $labels.reason }}}} ({_AT}).",
        pipeline(f"({collector_queries.lost_points('1h')}) > 0"),
        keep=900,
    ),
    Alert(
        "BatchSeriesLimitNear",
        "warning",
        f"A collector has more than {NEAR:.0%} of the series, or of the remembered writers, that its limits allow.",
        f"{_AT} is near its limit of {{{{ $labels.limit }}}}",
        f"{{{{ $value | humanizePercentage }}}} of the limit {{{{ $labels.limit }}}} are used ({_AT}).",
        pipeline(f"({collector_queries.share_of_limits()}) > {NEAR}", 300),
        keep=900,
    ),
)
"""In the order in which they are listed."""
