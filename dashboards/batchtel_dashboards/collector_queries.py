"""Named queries about the collector itself, in PromQL: what it takes, what it refuses and drops, and what waits.

The names are those that remote write makes of the collector's own metrics (0.159). `instance` is the environment's; an
exporter is named as in the rendered configuration, such as otlp_http/victorialogs.
"""

from __future__ import annotations

from typing import Final, Literal

from batchtel.schema import signals

Signal = Literal["metric_points", "spans", "log_records"]

SIGNALS: Final[tuple[Signal, ...]] = ("metric_points", "spans", "log_records")
"""What the collector counts, as its metrics spell it."""

_FILTERED: Final = "otelcol_processor_filter_datapoints_filtered_total"
_FAILED: Final = 'otelcol_deltatocumulative_datapoints_total{error!="",error!="limit"}'
_LIMITED: Final = 'otelcol_deltatocumulative_datapoints_total{error="limit"}'
_OF_JOBS: Final = 'receiver=~"otlp.*|statsd"'


def accepted(signal: Signal, window: str) -> str:
    """PromQL: how much jobs sent that was taken, per collector and receiver, within a window such as `1h`."""
    return _grown(f"otelcol_receiver_accepted_{signal}_total{{{_OF_JOBS}}}", "receiver", window)


def refused(signal: Signal, window: str) -> str:
    """PromQL: how much jobs were told to send again, per collector and receiver: no memory, or a full queue."""
    return _grown(f"otelcol_receiver_refused_{signal}_total{{{_OF_JOBS}}}", "receiver", window)


def dropped(window: str) -> str:
    """PromQL: how many data points were dropped for good, per collector and reason.

    Reasons: kind, value, buckets, unwanted and airflow are filters of that name; the others are errors of adding up.
    """
    filtered = _named(_since(_FILTERED, window), "filter", "filter/(.+)")
    failed = _named(_since(_FAILED, window), "error", "(.+)")
    return f"sum by (instance, reason) ({filtered} or {failed})"


def other_bounds(metric: str, window: str) -> str:
    """PromQL: how many values of a histogram such as `batch.job.duration` came with other bounds, per service and job.

    They are in its bucket +Inf only.
    """
    row = signals.metric(metric)
    if row.kind != "histogram":
        raise ValueError(f"{metric} is no histogram")
    total = f"{metric.replace('.', '_')}_other_bounds_total"
    return f"sum by (job, job_name) ({_since(total, window)})"


def damaged_queues(window: str) -> str:
    """PromQL: how many damaged queue files `batchtel stack up` has set aside, per collector, within a window."""
    return f"sum by (instance) ({_since('collector_queue_damaged_files_total', window)})"


def overflowed(window: str) -> str:
    """PromQL: how many data points were dropped because series_limit was reached, per collector."""
    return f"sum by (instance) ({_since(_LIMITED, window)})"


def not_queued(signal: Signal, window: str) -> str:
    """PromQL: how much found a full queue, per collector and exporter; the sender was told."""
    return _grown(f"otelcol_exporter_enqueue_failed_{signal}_total", "exporter", window)


def queue_size() -> str:
    """PromQL: what waits, per collector and exporter: bytes for spans and log records, requests for remote write."""
    return "otelcol_exporter_queue_size"


def queue_fill() -> str:
    """PromQL: how full each queue is, from 0 to 1."""
    return "otelcol_exporter_queue_size / otelcol_exporter_queue_capacity"


def queue_age(lookback: str = "6h") -> str:
    """PromQL: for how many seconds each queue has not been empty, which the oldest item in it is not older than.

    For one that was not empty once within `lookback` that is for how long it has been seen.
    """
    empty = f"max_over_time(timestamp(otelcol_exporter_queue_size == 0)[{lookback}:15s])"
    return f"time() - ({empty} or min_over_time(timestamp(otelcol_exporter_queue_size)[{lookback}:15s]))"


def last_export(signal: Signal, lookback: str = "6h") -> str:
    """PromQL: Unix time at which each exporter last delivered something, to 30 s; no value if never in `lookback`."""
    sent = f"otelcol_exporter_sent_{signal}_total"
    return f"max_over_time(timestamp(({sent} > 0) unless ({sent} == ({sent} offset 30s)))[{lookback}:15s])"


def _grown(selector: str, label: str, window: str) -> str:
    return f"sum by (instance, {label}) ({_since(selector, window)})"


def _since(selector: str, window: str) -> str:
    # increase() does not see the first value of a counter that is born with its first event, as those of errors are.
    return f"(({selector} - {selector} offset {window}) >= 0 or {selector})"


def _named(expression: str, label: str, pattern: str) -> str:
    return f'label_replace({expression}, "reason", "$1", "{label}", "{pattern}")'
