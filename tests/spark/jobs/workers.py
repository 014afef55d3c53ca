"""Calls of batchtel in the Python workers of Spark, which flush what they have recorded: `workers.py`."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import SparkSession

import batchtel
import batchtel.spark

PARTITIONS = 4


def clean(rows: Iterator[int]) -> Iterator[tuple[str, int]]:
    """Count the rows of a partition that are refused, in a step of its own."""
    with batchtel.step("clean") as step:
        refused = [row % 10 == 0 for row in rows]
        step.records(read=len(refused), failed=sum(refused))
    batchtel.current_job().records(processed=len(refused) - sum(refused), failed=sum(refused))
    batchtel.flush()
    yield batchtel.current_job().run_id, sum(refused)


spark = SparkSession.builder.master("local[2]").appName("spark-workers").getOrCreate()
with batchtel.spark.application(spark), batchtel.step("transform"):
    print(spark.sparkContext.parallelize(range(1_000), PARTITIONS).mapPartitions(clean).collect())
spark.stop()
