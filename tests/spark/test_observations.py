"""Metrics of `observe()` are on the step in whose time their action has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spark.drivers import Spark
from tests.support.sink import Sink

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]


def test_observations(spark: Spark, receiver: Sink, folder: str, tmp_path: Path) -> None:
    """Each once, as what it is; the job has the name of the catalogue without the date."""
    catalogue = tmp_path / "jobs.toml"
    catalogue.write_text("[jobs.observed]\n")
    driven = spark.python(
        "observed", folder, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, BATCHTEL_CATALOGUE=str(catalogue)
    )
    assert driven.code == 0, driven.stderr
    found = {
        span.name: {key: value for key, value in span.attributes.items() if key.startswith("spark.observed.")}
        for span in receiver.spans()
        if span.name.startswith("batch_")
    }
    newest = found["batch_step.extract"].pop("spark.observed.readings.newest")
    assert str(newest).startswith(("2026-11-28", "2026-11-27"))
    assert found == {
        "batch_step.extract": {
            "spark.observed.readings.rows": 100,
            "spark.observed.readings.highest": 99,
            "spark.observed.readings.mean": 49.5,
            "spark.observed.readings.text": "x",
            "spark.observed.readings.price": 1.5,
            "spark.observed.readings.some": ["0", "1"],
        },
        "batch_step.load": {"spark.observed.late.rows": 7, "spark.observed.rows": 5, "spark.observed.broken.rows": 2},
        "batch_step.within": {"spark.observed.inner.rows": 3},
        "batch_step.thread": {"spark.observed.threaded.rows": 9},
        "batch_job.observed": {"spark.observed.before.rows": 2, "spark.observed.outside.rows": 4},
    }
    assert driven.happened["is_as_before"]
    assert driven.of_batchtel == []
