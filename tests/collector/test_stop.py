"""A graceful stop of the collector: what it has acknowledged is in Prometheus, or is exported after the next start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.collector.delivery import Delivery
from tests.support.polling import until
from tests.support.program import Program

RUNS = 200


@pytest.fixture
def delivery(
    collector_program: Path, prometheus_program: Path, free_ports: Callable[[int], list[int]], tmp_path: Path
) -> Delivery:
    """A Prometheus and collectors that are not started."""
    return Delivery.of(collector_program, prometheus_program, free_ports(9), tmp_path)


def _await_total(delivery: Delivery, collector: Program, runs: int) -> None:
    """Wait for a total in Prometheus; after the zero that precedes it, it may not be another one."""
    total = "last_over_time(batch_job_runs_started_total[5m])"
    assert until("the runs to be in Prometheus", lambda: delivery.value(total) or None, 20, collector.tail) == runs


@pytest.mark.parametrize("aggregation", ["exact", "stock"])
def test_a_graceful_stop_delivers_what_was_acknowledged(delivery: Delivery, aggregation: str) -> None:
    """Runs that end within a part of an export interval are delivered at the stop: by the last emission or read."""
    with delivery.prometheus, delivery.sink():
        with delivery.collector(aggregation) as collector:
            # The sends fit between this first export and the next one, 5 s later.
            # A deprecated name or setting would be a line.
            assert collector.log.read_text(encoding="utf-8") == ""
            until("the first export", lambda: delivery.value('up{job=~"batchtel|otelcol"}'), 30, collector.tail)
            delivery.send(RUNS)
        assert collector.exit_code == 0, collector.tail()
        _await_total(delivery, collector, RUNS)


def test_a_stop_without_prometheus_keeps_what_was_acknowledged(delivery: Delivery) -> None:
    """The totals of `exact` are on disk: the next start continues them, and exports what the stop could not."""
    collector = delivery.collector("exact")
    with delivery.sink():
        with collector:
            delivery.send(RUNS)
        with delivery.prometheus:
            with collector:
                _await_total(delivery, collector, RUNS)
                delivery.send(RUNS)
            _await_total(delivery, collector, 2 * RUNS)


def test_overflow_series_have_an_instance(delivery: Delivery) -> None:
    """Points beyond the limit of a metric keep their sum; without `instance` two gateways would write one series."""
    with delivery.prometheus, delivery.sink(), delivery.collector("exact", series_limit=1, instance="gateway-7") as run:
        delivery.send(1, "first")
        delivery.send(2, "second")
        delivery.send(3, "third")
        overflow = 'batch_job_runs_started_total{otel_metric_overflow="true"} == 5'
        found = until("five in the overflow series", lambda: delivery.series(overflow) or None, 20, run.tail)
    ((labels, _),) = found
    assert {"__name__", "otel_metric_overflow", "instance"} == set(labels)
    assert labels["instance"] == "gateway-7"
