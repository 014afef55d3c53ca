"""The ETL of docs/spark with Spark, by `spark-submit`: what it reports, and that a failure ends it with 1."""

from __future__ import annotations

import pytest

from tests.spark.drivers import HERE, Spark
from tests.support.sink import Sink

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

ETL = str(HERE.parents[1] / "docs" / "spark" / "sensor_etl_spark.py")


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
def test_the_etl(spark: Spark, receiver: Sink, folder: str, fails: bool) -> None:
    """About 57,300 of 100,000 readings pass, each in one of three qualities."""
    more = ["--simulate-failure"] if fails else []
    driven = spark.drive(
        *("spark-submit", "--master", "local[2]", ETL, "--output-path", folder, *more),
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
    )
    assert driven.code == fails, driven.stderr
    run = receiver.span("batch_job.sensor-etl")
    assert run.attributes["batch.status"] == ("failure" if fails else "success")
    extract = receiver.span("batch_step.extract")
    assert extract.attributes["batch.records.written"] == 100_000
    if fails:
        assert run.message == "ValueError: schema mismatch"
        return
    transform, load = receiver.span("batch_step.transform"), receiver.span("batch_step.load")
    passed = run.attributes["batch.records.processed"]
    assert passed == pytest.approx(57_300, rel=0.02)
    assert passed == transform.attributes["batch.records.written"] == load.attributes["batch.records.read"]
    assert sum(load.attributes[quality] for quality in ("cold", "normal", "hot")) == passed
