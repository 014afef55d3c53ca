"""The ETL of docs/spark.md that reports by hand, twice: it succeeds, then it fails in its second step."""

from __future__ import annotations

import json
import time

from pyspark.sql import SparkSession

import batchtel
import batchtel.spark


def etl(*, fails: bool) -> str:
    """Run an application of its own; return the class of the exception that has left it."""
    spark = SparkSession.builder.master("local[2]").appName("sensor-etl").getOrCreate()
    try:
        with batchtel.spark.application(spark) as job:
            with batchtel.step("extract") as step:
                rows = [(number, number % 100) for number in range(1_000)]
                step.records(written=len(rows))
            with batchtel.step("transform") as step:
                step.records(read=1_000)
                if fails:
                    raise ValueError("schema mismatch")
                passed = [row for row in rows if row[1] < 57]
                step.records(written=len(passed))
            with batchtel.step("load") as step:
                step.records(read=len(passed), written=spark.createDataFrame(passed).count())
            job.records(processed=len(passed))
    except Exception as error:
        return type(error).__name__
    finally:
        spark.stop()
    return ""


began = time.monotonic()
print(json.dumps({"errors": [etl(fails=False), etl(fails=True)], "seconds": time.monotonic() - began}))
