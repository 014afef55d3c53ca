"""Named queries about the collector itself, in PromQL: what it accepts, what it refuses and drops, and what is queued.

The names are those that remote write makes of the collector's own metrics (0.159). `instance` is that of the
environment; an exporter is named as in the rendered configuration, such as otlp_http/victorialogs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from batchtel.schema import signals

Signal = Literal["metric_points", "spans", "log_records"]

SIGNALS: Final[tuple[Signal, ...]] = ("metric_points", "spans", "log_records")
"""What the collector counts, as in the names of its metrics."""

PerSignal = Callable[[Signal, str], str]
"""A query of one signal within a window, such as accepted()."""

_FILTERED: Final = "otelcol_processor_filter_datapoints_filtered_total"
_FAILED: Final = 'otelcol_deltatocumulative_datapoints_total{error!="",error!="limit"}'
_LIMITED: Final = 'otelcol_deltatocumulative_datapoints_total{error="limit"}'
_REJECTED: Final = "otelcol_processor_run_rollup_rejected_total"
_OVERFLOWED: Final = "otelcol_processor_run_rollup_overflowed_total"
_REBUCKETED: Final = "otelcol_processor_run_rollup_rebucketed_total"
_OF_JOBS: Final = 'receiver=~"otlp.*|statsd"'


def accepted(signal: Signal, window: str) -> str:
    """PromQL: how much of jobs was accepted, per collector and receiver, within a window such as `1h`."""
    return _grown(f"otelcol_receiver_accepted_{signal}_total{{{_OF_JOBS}}}", "receiver", window)


def refused(signal: Signal, window: str) -> str:
    """PromQL: how much was refused and is sent again, per collector and receiver: no memory, or a full queue."""
    return _grown(f"otelcol_receiver_refused_{signal}_total{{{_OF_JOBS}}}", "receiver", window)


def dropped(window: str) -> str:
    """PromQL: how many data points were dropped, per collector and reason.

    Reasons: unwanted, airflow and, with stock, kind, value, buckets and labels are filters of that name; the
    others are reasons of run_rollup, or with stock aggregation errors.
    """
    filtered = _named(_since(_FILTERED, window), "filter", "filter/(.+)")
    failed = _named(_since(_FAILED, window), "error", "(.+)")
    rejected = _since(_REJECTED, window)
    return f"sum by (instance, reason) ({filtered} or {failed} or {rejected})"


def rebucketed(window: str) -> str:
    """PromQL: how many histogram points had other bounds than their series, per collector; with exact only.

    Their counts and sums are exact, their buckets are upper bounds.
    """
    return f"sum by (instance) ({_since(_REBUCKETED, window)})"


def other_bounds(metric: str, window: str) -> str:
    """PromQL: with stock, how many values of a histogram such as `batch.job.duration` have other bounds, per job.

    They are in its bucket +Inf only.
    """
    row = signals.metric(metric)
    if row.kind != "histogram":
        raise ValueError(f"{metric} is not a histogram")
    total = f"{metric.replace('.', '_')}_other_bounds_total"
    return f"sum by (job, job_name) ({_since(total, window)})"


def damaged_queues(window: str) -> str:
    """PromQL: how many damaged queue files `batchtel stack up` has set aside, per collector, within a window."""
    return f"sum by (instance) ({_since('collector_queue_damaged_files_total', window)})"


def overflowed(window: str) -> str:
    """PromQL: how many data points found no series of their own, because a limit was reached, per collector.

    With exact they are in the overflow series of their metric, with stock they are dropped.
    """
    return f"sum by (instance) ({_since(_OVERFLOWED, window)} or {_since(_LIMITED, window)})"


def not_queued(signal: Signal, window: str) -> str:
    """PromQL: how much was rejected because of a full queue, per collector and exporter; the sender got an error."""
    return _grown(f"otelcol_exporter_enqueue_failed_{signal}_total", "exporter", window)


def queue_size() -> str:
    """PromQL: the size of each queue, per collector and exporter: bytes for spans and logs, requests for metrics."""
    return "otelcol_exporter_queue_size"


def queue_fill() -> str:
    """PromQL: how full each queue is, from 0 to 1."""
    return "otelcol_exporter_queue_size / otelcol_exporter_queue_capacity"


def missing(lookback: str = "6h", silence: str = "3m") -> str:
    """PromQL: the collectors that exported their own metrics within `lookback` and not within `silence`.

    Where none exports any, one value without an instance, for as long as that lasts.
    """
    size = "otelcol_exporter_queue_size"
    seen = f"count by (instance) (last_over_time({size}[{lookback}]))"
    now = f"count by (instance) (last_over_time({size}[{silence}]))"
    return f"({seen} unless {now}) or on () absent_over_time({size}[{silence}])"


def stuck(window: str) -> str:
    """PromQL: what is queued for each exporter that has delivered nothing within a window such as `10m`."""
    delivered = " or ".join(
        f"{_grown(f'otelcol_exporter_sent_{one}_total', 'exporter', window)} > 0" for one in SIGNALS
    )
    # A collector that starts with a full queue has had no time yet.
    there = f"sum by (instance, exporter) (otelcol_exporter_queue_size offset {window})"
    return f"((sum by (instance, exporter) (otelcol_exporter_queue_size) > 0) and {there}) unless ({delivered})"


def lost_points(window: str) -> str:
    """PromQL: as dropped(), without the reasons that are wanted: `airflow` and `unwanted`."""
    wanted = " or ".join(f'label_replace(vector(1), "reason", "{one}", "", "")' for one in ("airflow", "unwanted"))
    return f"{dropped(window)} unless on (reason) ({wanted})"


def queue_age(lookback: str = "6h") -> str:
    """PromQL: for how many seconds each queue has not been empty: an upper bound of the age of its oldest item.

    For a queue that was never empty within `lookback` it is the time since the first sample.
    """
    empty = f"max_over_time(timestamp(otelcol_exporter_queue_size == 0)[{lookback}:15s])"
    return f"time() - ({empty} or min_over_time(timestamp(otelcol_exporter_queue_size)[{lookback}:15s]))"


def last_export(signal: Signal, lookback: str = "6h") -> str:
    """PromQL: Unix time at which each exporter last delivered something, to 30 s; no value if never in `lookback`."""
    sent = f"otelcol_exporter_sent_{signal}_total"
    return f"max_over_time(timestamp(({sent} > 0) unless ({sent} == ({sent} offset 30s)))[{lookback}:15s])"


def series() -> str:
    """PromQL: how many live series each collector has; with exact only."""
    return "max by (instance) (otelcol_processor_run_rollup_series)"


def series_of_stock() -> str:
    """PromQL: the same with stock."""
    return "max by (instance) (otelcol_deltatocumulative_streams_tracked)"


def share_of_limits() -> str:
    """PromQL: live series and remembered writers of each collector, as shares of their limits; the label is `limit`.

    With stock there are series only, and no value where there is no limit.
    """
    exact = "otelcol_processor_run_rollup"
    shares = {
        "series": f"({exact}_series / ({exact}_series_limit > 0))"
        " or (otelcol_deltatocumulative_streams_tracked / (otelcol_deltatocumulative_streams_limit > 0))",
        "writer_streams": f"{exact}_writer_streams / ({exact}_writer_streams_limit > 0)",
    }
    return " or ".join(
        f'label_replace(max by (instance) ({share}), "limit", "{limit}", "", "")' for limit, share in shares.items()
    )


def _grown(selector: str, label: str, window: str) -> str:
    return f"sum by (instance, {label}) ({_since(selector, window)})"


def _since(selector: str, window: str) -> str:
    # increase() misses the first value of a counter that starts with its first event, as counters of errors do. Without
    # the 6 hours all would be new where no sample arrived just before the window.
    return f"(({selector} - last_over_time({selector}[6h] offset {window})) >= 0 or {selector})"


def _named(expression: str, label: str, pattern: str) -> str:
    return f'label_replace({expression}, "reason", "$1", "{label}", "{pattern}")'
