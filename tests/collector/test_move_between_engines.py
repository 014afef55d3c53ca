"""The move from one way to aggregate to the other, and back: what queries read over its time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from batchtel_dashboards import queries
from batchtel_dashboards.rules import increment
from tests.collector.delivery import Delivery
from tests.support.polling import until
from tests.support.program import Program

RUNS = 100
TOTAL = "batch_job_runs_started_total"


@pytest.mark.parametrize("first", ["exact", "stock"])
def test_no_run_is_missing_and_none_counts_twice(
    first: str,
    collector_program: Path,
    prometheus_program: Path,
    free_ports: Callable[[int], list[int]],
    tmp_path: Path,
) -> None:
    """100 runs at each of three collectors on one Prometheus with one `instance`: the queries of both read 300."""
    delivery = Delivery.of(collector_program, prometheus_program, free_ports(9), tmp_path)
    second = "stock" if first == "exact" else "exact"
    exact, stock = queries.added("batch.job.runs.started", "10m"), f"sum(sum_over_time({increment(TOTAL)}[10m]))"
    with delivery.prometheus, delivery.sink():
        for boot, aggregation in enumerate((first, second, first), start=1):
            with delivery.collector(aggregation, boot) as collector:
                # One half is exported while it runs, the other one at its stop.
                delivery.send(RUNS // 2)
                _await(delivery, exact, boot * RUNS - RUNS // 2, collector)
                delivery.send(RUNS // 2)
            for query in (exact, stock):
                _await(delivery, query, boot * RUNS, collector)
        # With stock a series for each start, and one of exact that both of its collectors have continued.
        series = {labels.get("boot"): value for labels, value in delivery.series(f"last_over_time({TOTAL}[10m])")}
    assert series == ({None: 200, "2": 100} if first == "exact" else {"1": 100, None: 100, "3": 100})


def _await(delivery: Delivery, query: str, runs: int, collector: Program) -> None:
    """Wait until a query reads at least so many runs; it may not read more."""

    def enough() -> float | None:
        found = delivery.value(query)
        return found if found is not None and found >= runs else None

    found = until(f"{runs} runs by {query}", enough, 30, lambda: f"{delivery.value(query)}\n{collector.tail()}")
    assert found == runs
