"""Steps in threads, in coroutines and within a step, a job in no step, own counts, no rows: `threads.py FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import SparkSession

import batchtel
import batchtel.spark

spark = SparkSession.builder.master("local[2]").appName("spark-threads").getOrCreate()


def count(name: str, rows: int) -> None:
    """Let Spark read so many rows in a step."""
    with batchtel.step(name):
        spark.range(rows, numPartitions=1).foreach(repr)


async def count_later(name: str, rows: int) -> None:
    """Let Spark read so many rows in a step that another one of this thread is in, too."""
    with batchtel.step(name):
        await asyncio.sleep(0)
        spark.range(rows, numPartitions=1).foreach(repr)
        await asyncio.sleep(0)


async def both() -> None:
    """Run two coroutines."""
    await asyncio.gather(count_later("one", 11), count_later("other", 12))


with batchtel.spark.application(spark, name="threads", type="test"):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(count, ("left", "right"), (100, 10)))
    with batchtel.step("outer"):
        spark.range(7, numPartitions=1).foreach(repr)
        with batchtel.step("inner"):
            spark.range(5, numPartitions=1).foreach(repr)
        spark.range(2, numPartitions=1).foreach(repr)
    with batchtel.step("counted") as step:
        step.records(read=1)
        spark.range(3, numPartitions=1).foreach(repr)
    spark.range(4, numPartitions=1).foreach(repr)
    with batchtel.step("empty"):
        spark.range(8, numPartitions=1).where("id > 8").write.parquet(f"{sys.argv[1]}/empty")
    with batchtel.step("none"):
        pass
    with batchtel.step("around"):
        asyncio.run(both())
    with batchtel.step("stopped"):
        spark.range(6, numPartitions=1).foreach(repr)
        spark.stop()
