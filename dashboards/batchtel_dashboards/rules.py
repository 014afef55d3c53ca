"""Recording rules that count what the collector adds up: exactly, from the first increment on.

The collector writes running totals. `increase()` never sees the first increment of a new series, because there is no
zero before it, and a job that runs once a night makes nothing but such series; `x - x offset 1h` breaks at resets and
gaps. So two rules keep book for each total X:

    X:seen        the total that is accounted for, per instance and boot
    X:increment   what has been added since the evaluation before, over all instances and boots

and `sum_over_time(X:increment[W])` is the count in a window W over births, gaps of up to 6 hours, late samples, missed
evaluations and resets. All pairs are in one group, `seen` before `increment`: a group's rules are evaluated one after
the other and at one time, and each finds what the one before has recorded. Only `seen` reads X. A sample may arrive
between two rules that belongs before both: were X read twice, such an increment would be taken for counted.

- A restart of the collector starts its totals anew under another `boot` label. To the rules that is a birth: all of
  the new total counts, nothing is compared with the old one. A total that falls below `seen` without a new boot label
  is taken for a reset too, but one that resets and overtakes `seen` before the next evaluation would be undercounted;
  the label is there for that.
- Increments are summed over `instance` and `boot` here, because they can be added and who counted them means nothing
  to a reader. `seen` cannot: each collector's life has a total of its own.
- Histograms have rules for buckets, count and sum alike: they are born without a zero as counters are, so quantiles
  and means of a nightly job exist in increments only. Two series for one, as with counters.
- A collector that restarts forgets its maxima, so Prometheus keeps them (`X:max`) for the `expiry` of the environment,
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
"""How far back `seen` and `max` are looked for. A longer gap counts whole totals again; 1,440 samples at 15 s each."""

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
    """Return a rule file for metrics of one's own, by the names of their totals in Prometheus.

    For a counter that is `shop_orders_total`, for a histogram its `_count`, `_sum` and `_bucket`, each by itself. What
    increment() names then counts as exactly as that of batchtel's own metrics.
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
    """Return the name of the recorded number of live runs, of jobs or steps: a run counts while its heartbeats come."""
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
    # `* 0` and `* 1` take the metric's name off, so that `or` compares the same labels on both sides.
    # `offset 1ms` leaves out what the rule above has just recorded.
    before = f"(last_over_time({seen}[{MEMORY}] offset 1ms) or {seen} * 0)"
    added = f"(({seen} - {before}) >= 0) or {seen} * 1"
    yield {"record": seen, "expr": total}
    yield {"record": increment(total), "expr": f"sum without (instance, boot) ({added})"}


def _maximum(metric: Metric) -> dict[str, str]:
    # The right side has no instance, so `or` keeps both sides. 10 minutes: what came and went between two evaluations.
    shown = f"max_over_time({metric.prometheus_name}[10m])"
    expiry = f"scalar(max(last_over_time({_EXPORTED}[{MEMORY}])) or vector({EXPIRY}))"
    kept = f"last_over_time({maximum(metric)}[{MEMORY}]) > time() - {expiry}"
    return {"record": maximum(metric), "expr": f"max without (instance, boot) ({shown} or {kept})"}
