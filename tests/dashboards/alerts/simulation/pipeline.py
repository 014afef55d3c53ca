"""The collectors' own metrics, as samples."""

from __future__ import annotations

from collections.abc import Iterable

from tests.dashboards.alerts.simulation.samples import STEP, Row, constant, notation

SENT = 100
"""Requests that each exporter delivers a minute."""


def own(instance: str, rows: dict[str, Row]) -> dict[str, str]:
    """Return the series of a collector: names, with labels or without, and their samples."""
    found = {}
    for name, row in rows.items():
        metric, _, labels = name.partition("{")
        more = f",{labels}" if labels else "}"
        found[f'otelcol_{metric}{{job="otelcol",instance="{instance}"{more}'] = notation(row)
    return found


def healthy(minutes: int, away: Iterable[tuple[float, float]] = (), start: float = 0) -> dict[str, str]:
    """Return the metrics of one healthy collector, which is away at times; its counters start again afterwards."""
    gaps = [(round((since - start) / STEP), round((until - start) / STEP)) for since, until in away]
    return own("prod", rows(minutes, gaps))


def rows(minutes: int, gaps: list[tuple[int, int]]) -> dict[str, Row]:
    """Return the samples of a healthy collector by name."""
    sent: Row = []
    begins = sorted(until for _, until in gaps)
    for minute in range(minutes):
        since = max((one for one in begins if one <= minute), default=0)
        sent.append(float(SENT * (minute - since)))
    for since, until in gaps:
        sent[since:until] = [None] * (until - since)
    exporter = 'exporter="otlp/jaeger"}'
    levels = {
        f"exporter_queue_size{{{exporter}": 3,
        f"exporter_queue_capacity{{{exporter}": 100,
        "processor_run_rollup_series": 300,
        "processor_run_rollup_series_limit": 1000,
        "processor_run_rollup_writer_streams": 5,
        "processor_run_rollup_writer_streams_limit": 1000,
        "deltatocumulative_streams_tracked": 300,
        "deltatocumulative_streams_limit": 1000,
        "deltatocumulative_streams_max_stale": 35 * 86400,
    }
    return {
        f"exporter_sent_spans_total{{{exporter}": sent,
        **{name: constant(value, minutes, gaps) for name, value in levels.items()},
    }
