"""Why a store or the collector has dropped data: its own counters, before and after, and the setting to change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import urllib3

from batchtel_dashboards.collector_queries import SIGNALS
from batchtel_dashboards.stores import Prometheus
from batchtel_dashboards.stores.errors import StoreError
from batchtel_stack.doctor.finding import Finding

_COUNTERS: Final = {
    "Loki": "loki_discarded_samples_total",
    "VictoriaLogs": "vl_rows_dropped_total",
    "Tempo": "tempo_discarded_spans_total",
}
"""Store -> its counter of dropped items, by reason. Jaeger drops none: the collector counts what it rejects."""

_FIXES: Final = {
    ("Loki", "per_stream_rate_limit"): "raise limits_config.per_stream_rate_limit and its burst: one job is one stream",
    ("Loki", "rate_limited"): "raise limits_config.ingestion_rate_mb and ingestion_burst_size_mb",
    ("Loki", "line_too_long"): "set limits_config.max_line_size_truncate: true",
    ("Loki", "stream_limit"): "raise limits_config.max_global_streams_per_user",
    ("Loki", "greater_than_max_sample_age"): "raise limits_config.reject_old_samples_max_age, or correct the clock",
    ("Loki", "too_far_behind"): "correct the clock: Loki accepts lines up to an hour behind the newest of a stream",
    ("Loki", "too_far_in_future"): "correct the clock, or raise limits_config.creation_grace_period",
    ("Loki", "structured_metadata_too_large"): "raise limits_config.max_structured_metadata_size",
    ("VictoriaLogs", "too_many_fields"): "raise -insert.maxFieldsPerLine",
    ("VictoriaLogs", "too_small_timestamp"): "correct the clock, or raise -retentionPeriod",
    ("VictoriaLogs", "too_big_timestamp"): "correct the clock, or raise -futureRetention",
    ("Tempo", "trace_too_large"): "raise overrides.defaults.global.max_bytes_per_trace",
    ("Tempo", "live_traces_exceeded"): "raise overrides.defaults.ingestion.max_traces_per_user",
    ("Tempo", "rate_limited"): "raise overrides.defaults.ingestion.rate_limit_bytes and burst_size_bytes",
}
"""(store, reason) -> what to change in the store's configuration."""

_OF_COLLECTOR: Final = (
    ("otelcol_processor_run_rollup_overflowed_total", "raise series_limit in the environment file"),
    ("otelcol_processor_run_rollup_failed_commits_total", "look at the disk with queue.folder: it is full or broken"),
    (
        "otelcol_processor_run_rollup_rejected_total",
        "look at the label reason: its points cannot be added up (docs/aggregation.md)",
    ),
    ('otelcol_deltatocumulative_datapoints_total{error="limit"}', "raise series_limit in the environment file"),
    (
        'otelcol_processor_filter_datapoints_filtered_total{filter!~".*everything"}',
        "look at the label filter: its points are of a kind or value that cannot be added up (docs/operations.md)",
    ),
    *((f"otelcol_receiver_refused_{name}_total", "raise memory_limit in the environment file") for name in SIGNALS),
    *(
        (
            f"otelcol_exporter_send_failed_{name}_total",
            "look at the collector's log (here: batchtel stack logs collector)",
        )
        for name in SIGNALS
    ),
    *(
        (
            f"otelcol_exporter_enqueue_failed_{name}_total",
            "the queue is full: raise queue.size, or look at the store behind it",
        )
        for name in SIGNALS
    ),
)
"""Counters of the collector, by their names in Prometheus, and the fix when one grows."""


class Discards:
    """The counters of dropped items, read when this object is created; `urls` is product -> its address."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = {store: url for store, url in urls.items() if store in _COUNTERS}
        self._before = {store: _counts(store, url) for store, url in self._urls.items()}

    def since(self) -> Iterator[Finding]:
        """Yield a finding for each reason for which a store has dropped items since."""
        for store, url in self._urls.items():
            for reason, count in (_counts(store, url) - self._before[store]).items():
                fix = _FIXES.get((store, reason), f"look up {reason} in {store}'s limits")
                yield Finding(f"limits of {store}", "wrong", f"{store} dropped {count} items: {reason}", fix)


def of_collector(prometheus: Prometheus) -> Iterator[Finding]:
    """Yield a finding for each counter of drops that grew within the last five minutes, by Prometheus."""
    for selector, fix in _OF_COLLECTOR:
        try:
            # A comparison keeps the labels; a new counter has no value to compare with.
            samples = prometheus.query(
                f"({selector} > {selector} offset 5m) or (({selector} unless {selector} offset 5m) > 0)"
            )
        except StoreError:
            return
        for sample in samples:
            name = sample.labels["__name__"]
            where = [
                sample.labels[key]
                for key in ("filter", "reason", "receiver", "exporter", "error")
                if key in sample.labels
            ]
            message = f"the collector has counted {sample.value:.0f} in {name} ({', '.join(where)})"
            yield Finding("limits of the collector", "wrong", message, fix)


def _counts(store: str, url: str) -> Counter[str]:
    try:
        text = urllib3.request("GET", f"{url.rstrip('/')}/metrics", timeout=5.0, retries=False).data.decode()
    except urllib3.exceptions.HTTPError:
        return Counter()
    counts: Counter[str] = Counter()
    for labels, value in re.findall(rf"^{_COUNTERS[store]}\{{(.*)\}} (\S+)$", text, re.MULTILINE):
        reason = re.search(r'reason="([^"]*)"', labels)
        counts[reason[1] if reason else "unknown"] += int(float(value))
    return counts
