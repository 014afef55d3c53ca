"""A task that hangs and is run a second time by speculation: `speculative.py MASTER FOLDER`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from pyspark import TaskContext
from pyspark.sql import SparkSession

import batchtel
import batchtel.spark

ROWS = 1_000


def hang_once(rows: Iterator[Any]) -> Iterator[Any]:
    """Read half of the first partition, and stop there in its first attempt."""
    context = TaskContext.get()
    for number, row in enumerate(rows):
        if context is not None and (context.partitionId(), context.attemptNumber(), number) == (0, 0, 100):
            time.sleep(120)
        yield row


spark = (
    SparkSession.builder.master(sys.argv[1])
    .appName("spark-speculative")
    .config("spark.speculation", "true")
    .config("spark.speculation.interval", "100ms")
    .config("spark.speculation.multiplier", "1.5")
    .config("spark.speculation.quantile", "0.5")
    # Until the second attempt begins, the driver gets what the first one has read from heartbeats.
    .config("spark.speculation.minTaskRuntime", "3s")
    .config("spark.executor.heartbeatInterval", "500ms")
    .config("spark.executor.memory", "512m")
    .getOrCreate()
)
spark.range(ROWS, numPartitions=4).write.parquet(f"{sys.argv[2]}/source")
with batchtel.spark.application(spark) as run:
    with batchtel.step("copy"):
        source = spark.read.parquet(f"{sys.argv[2]}/source")
        spark.createDataFrame(source.rdd.mapPartitions(hang_once), source.schema).write.parquet(f"{sys.argv[2]}/copied")
    with batchtel.step("look"):
        found = spark.sparkContext.range(2, numSlices=2).map(lambda _: os.environ.get("TRACEPARENT", "")).collect()
    print(json.dumps({"trace_id": run.trace_id, "found": found}))
print(json.dumps({"copied": spark.read.parquet(f"{sys.argv[2]}/copied").count()}))
spark.stop()
