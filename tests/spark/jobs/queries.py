"""Two streaming queries over files, one of which fails in its second batch: `queries.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession, functions

import batchtel
import batchtel.spark

folder = Path(sys.argv[1])
spark = SparkSession.builder.master("local[2]").appName("spark-queries").getOrCreate()
batchtel.spark.follow_queries(spark, type="stream")
for number in range(3):
    spark.range(10 * (number + 1), numPartitions=1).write.parquet(str(folder / "source" / f"part={number}"))


def rows() -> Any:
    """Return a stream with a batch for each of three files."""
    stream = spark.readStream.schema("id long").option("maxFilesPerTrigger", 1).parquet(str(folder / "source"))
    observed = stream.observe("seen", functions.max("id").alias("highest"))
    return observed.writeStream.trigger(availableNow=True)


def second_fails(frame: DataFrame, number: int) -> None:
    """Fail in the second batch."""
    if number == 1:
        raise ValueError("this batch is broken")
    frame.foreach(repr)


rows().format("memory").queryName("copied").start().awaitTermination()
try:
    rows().foreachBatch(second_fails).queryName("broken").start().awaitTermination()
except Exception as error:
    print(type(error).__name__)
spark._jsc.sc().listenerBus().waitUntilEmpty(10_000)
batchtel.flush()
spark.stop()
