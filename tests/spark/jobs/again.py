"""An application that stops its session, and makes another one: `again.py FOLDER`."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

import batchtel
import batchtel.spark


def session() -> SparkSession:
    """Return a session of a context of its own."""
    builder = SparkSession.builder.master("local[2]").appName("spark-again")
    # Two jobs are kept, and a step has three.
    return builder.config("spark.ui.retainedJobs", "2").getOrCreate()


def write(rows: int, name: str) -> None:
    """Write so many rows."""
    spark.range(rows, numPartitions=1).write.parquet(f"{sys.argv[1]}/{name}")


spark = session()
with batchtel.spark.application(spark):
    with batchtel.step("first"):
        write(1, "first")
    spark.stop()
    spark = session()
    with batchtel.step("second"):
        write(20, "second")
    with batchtel.step("third"):
        write(300, "third")
    if sys.argv[2:]:
        with batchtel.step("evicted"):
            for name in "abcdef":
                write(1, name)
spark.stop()
