"""A driver whose executors are programs of their own, two of them, in a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.spark import cluster
from tests.spark.drivers import Spark
from tests.support.sink import Sink

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]


@pytest.fixture
def master(spark: Spark, tmp_path: Path) -> Iterator[str]:
    """The address of a cluster's master."""
    with cluster.running(spark, tmp_path) as address:
        yield address


def test_speculation_counts_nothing_twice(spark: Spark, receiver: Sink, master: str, folder: str) -> None:
    """The task that was run twice counts once; both executors are in the trace of the run."""
    driven = spark.python("speculative", master, folder, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert driven.code == 0, driven.stderr
    assert driven.happened["copied"] == 1_000
    copy = receiver.span("batch_step.copy").attributes
    assert (copy["batch.records.read"], copy["batch.records.written"]) == (1_000, 1_000)
    assert copy["spark.tasks.killed"] == 1
    assert [one.split("-")[1] for one in driven.happened["found"]] == [driven.happened["trace_id"]] * 2
    assert driven.of_batchtel == []
