"""Recording rules that count the totals of the collector exactly, from the first increment on.

The collector writes running totals. `increase()` misses the first increment of a new series, because there is no zero
before it, and a job that runs once a night has such series only; `x - x offset 1h` is wrong at resets and gaps. So
there are two rules for each total X:

    X:seen        the total that is already counted, per instance and boot
    X:increment   what was added since the evaluation before, over all instances and boots

and `sum_over_time(X:increment[W])` is the count in a window W, also with new series, gaps of up to 6 hours, late
samples, missed evaluations and resets. All pairs are in one group, `seen` before `increment`: a group's rules are
evaluated one after the other with one timestamp, and each reads what the one before has recorded. Only `seen` reads X.
A sample that is older than both may arrive between two rules: if both read X, its increment would be lost.

- A restart of the collector starts its totals at 0 again, under another `boot` label. For the rules that is a new
  series: all of the new total counts, and it is not compared with the old one. A total that falls below `seen` without
  a new boot label counts as a reset too, but one that resets and exceeds `seen` before the next evaluation would be
  undercounted: that is the reason for the label.
- Increments are summed over `instance` and `boot`, because they can be added, and a reader does not need to see which
  collector counted them. `seen` is not summed: each process of a collector has a total of its own.
- Histograms have rules for buckets, count and sum: they start without a zero as counters do, so quantiles and means of
  a nightly job exist in increments only. Each series becomes two more, as with counters.
- A collector that restarts loses its maxima, so Prometheus keeps them (`X:max`) for the `expiry` of the environment,
  which the collector exports itself.
- Live runs and steps are counted from their heartbeats (`batch_job_runs:live`, `batch_step_runs:live`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from batchtel.schema.signals import METRICS, Metric

GROUP: Final = "batchtel"
"""The one group; its interval is Prometheus' `evaluation_interval`, which should be `export_interval`."""

MEMORY: Final = "6h"
"""How far back the rules look for `seen` and `max`. After a longer gap totals count again. 1,440 samples of 15 s."""

EXPIRY: Final = 35 * 86400
"""Seconds that a maximum is kept where no collector exports its `expiry`. Without it a rule that reads its own output
would keep the last state of a deleted job for ever."""

_EXPORTED: Final = "otelcol_deltatocumulative_streams_max_stale"
"""Gauge of the collector: the `expiry` of its environment in seconds."""

LIVE: Final = 120
"""Seconds over which heartbeats are added: several of those that come every 15 s, or every export interval."""

HEADER: Final = "# Generated, do not edit: make generate\n"


def path() -> Path:
    """Return the rule file that Prometheus reads."""
    return Path(__file__).parent / "generated" / "rules.yaml"


def text() -> str:
    """Return what the rule file contains."""
    groups = {"groups": [{"name": GROUP, "rules": list(_rules())}]}
    return HEADER + yaml.safe_dump(groups, sort_keys=False, width=1000)


def of(*totals: str) -> str:
    """Return a rule file for your own metrics, by the names of their totals in Prometheus.

    A counter has one, such as `shop_orders_total`; a histogram has three: `_count`, `_sum` and `_bucket`. The count of
    increment() is then as exact as for batchtel's own metrics.
    """
    group = {"name": f"{GROUP}-own", "rules": [rule for total in totals for rule in _pair(total)]}
    return yaml.safe_dump({"groups": [group]}, sort_keys=False, width=1000)


def names() -> set[str]:
    """Return the names that the rules record."""
    return {rule["record"] for rule in _rules()}


def totals(metric: Metric) -> tuple[str, ...]:
    """Return the names of the running totals of a counter or histogram in Prometheus; none for a maximum."""
    name = metric.prometheus_name
    if metric.kind == "histogram":
        return (f"{name}_count", f"{name}_sum", f"{name}_bucket")
    return (name,) if metric.kind == "counter" else ()


def increment(total: str) -> str:
    """Return the name of the recorded increments of a running total."""
    return f"{total.removesuffix('_total')}:increment"


def maximum(metric: Metric) -> str:
    """Return the name of the recorded maximum of a metric of that kind."""
    return f"{metric.prometheus_name}:max"


def live(level: str) -> str:
    """Return the name of the recorded number of live runs, of jobs or steps: those with recent heartbeats."""
    return f"batch_{level}_runs:live"


def _rules() -> Iterator[dict[str, str]]:
    for metric in METRICS:
        for total in totals(metric):
            yield from _pair(total)
        if metric.kind == "maximum":
            yield _maximum(metric)
    for level in ("job", "step"):
        beats = increment(f"batch_{level}_alive_time_seconds_total")
        yield {"record": live(level), "expr": f"round(sum_over_time({beats}[{LIVE}s]) / {LIVE})"}


def _pair(total: str) -> Iterator[dict[str, str]]:
    seen = f"{total.removesuffix('_total')}:seen"
    # `* 0` and `* 1` remove the metric's name, so that `or` compares the same labels on both sides.
    # `offset 1ms` excludes what the rule above has just recorded.
    before = f"(last_over_time({seen}[{MEMORY}] offset 1ms) or {seen} * 0)"
    added = f"(({seen} - {before}) >= 0) or {seen} * 1"
    yield {"record": seen, "expr": total}
    yield {"record": increment(total), "expr": f"sum without (instance, boot) ({added})"}


def _maximum(metric: Metric) -> dict[str, str]:
    # The right side has no instance, so `or` keeps both sides. 10 minutes: for short-lived series.
    shown = f"max_over_time({metric.prometheus_name}[10m])"
    expiry = f"scalar(max(last_over_time({_EXPORTED}[{MEMORY}])) or vector({EXPIRY}))"
    kept = f"last_over_time({maximum(metric)}[{MEMORY}]) > time() - {expiry}"
    return {"record": maximum(metric), "expr": f"max without (instance, boot) ({shown} or {kept})"}
