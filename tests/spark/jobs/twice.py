"""Two runs of one application, jobs before, between and after them: `twice.py FOLDER`."""

from __future__ import annotations

import json
import sys

from pyspark.sql import SparkSession

import batchtel
import batchtel.spark

spark = SparkSession.builder.master("local[2]").appName("spark-twice").getOrCreate()
context = spark.sparkContext
pairs = context.parallelize([(number % 3, number) for number in range(30)], 2).groupByKey()


def write(rows: int, name: str) -> None:
    """Write so many rows."""
    spark.range(rows, numPartitions=1).write.parquet(f"{sys.argv[1]}/{name}")


def left() -> list[str]:
    """Return what is there of a run."""
    variables = [name for name in context.environment if name.startswith(("BATCHTEL_", "OTEL_", "TRACE"))]
    return sorted([*context.getJobTags(), *variables])


context.addJobTag("mine")
write(1, "before")
pairs.count()
with batchtel.spark.application(spark) as first:
    write(20, "first")
between = left()
write(300, "between")
with batchtel.spark.application(spark) as second:
    with batchtel.step("load"):
        write(4_000, "second")
        # Its first stage ran before, and is skipped.
        pairs.count()
    within = left()
    write(50_000, "rest")
write(600_000, "after")
print(json.dumps({"runs": [first.run_id, second.run_id], "application": context.applicationId}))
print(json.dumps({"between": between, "within": within, "after": left()}))
spark.stop()
