"""Observations of an application with a date in its name: `observed.py FOLDER`.

One that an action has reached in the step that made it, one in a later step, one without a name, one of an action that
fails, one in a thread, one in a step within, two in no step, and one that no action has reached.
"""

from __future__ import annotations

import contextlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyspark.sql import DataFrame, Observation, SparkSession, functions

import batchtel
import batchtel.spark

folder = sys.argv[1]
spark = SparkSession.builder.master("local[1]").appName("observed-2026-11-28").getOrCreate()
rows = functions.count(functions.lit(1)).alias("rows")


def observed(name: str | None, count: int, *more: Any, partitions: int = 1) -> DataFrame:
    """Return so many rows that are observed."""
    return spark.range(count, numPartitions=partitions).observe(
        Observation(name) if name else Observation(), rows, *more
    )


def write(frame: DataFrame, name: str) -> None:
    """Run an action."""
    frame.write.parquet(f"{folder}/{name}")


def in_thread() -> None:
    """Observe in a step of another thread."""
    with batchtel.step("thread"):
        write(observed("threaded", 9), "threaded")


given = Observation._on
with batchtel.spark.application(spark):
    write(observed("before", 2), "before")
    with batchtel.step("extract"):
        highest = functions.max("id").alias("highest")
        kinds = (
            functions.avg("id").alias("mean"),
            functions.max(functions.lit("x")).alias("text"),
            functions.max(functions.lit(1.5).cast("decimal(5,2)")).alias("price"),
            functions.max(functions.expr("timestamp'2026-11-28 00:00:00'")).alias("newest"),
            functions.sort_array(functions.collect_set(functions.col("id") % 2)).alias("some"),
            functions.max(functions.lit(None)).alias("nothing"),
        )
        write(observed("readings", 100, highest, *kinds), "readings")
        late = observed("late", 7)
        with batchtel.step("within"):
            write(observed("inner", 3), "inner")
    with batchtel.step("load"):
        write(late, "late")
        write(observed(None, 5), "unnamed")
        broken = observed("broken", 3, partitions=3)
        broken = broken.withColumn("id", functions.expr("if(id = 2, raise_error('this row is broken'), id)"))
        with contextlib.suppress(Exception):
            write(broken, "broken")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(in_thread).result()
    write(observed("outside", 4), "outside")
    observed("never", 1)
print(json.dumps({"is_as_before": Observation._on is given}))
spark.stop()
