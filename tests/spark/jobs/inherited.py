"""Steps in threads that have inherited the properties of another one, or share them: `inherited.py`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from pyspark import InheritableThread, inheritable_thread_target
from pyspark.sql import SparkSession

import batchtel
import batchtel.spark

spark = SparkSession.builder.master("local[2]").appName("spark-inherited").getOrCreate()
together = threading.Barrier(2)


def read(rows: int) -> None:
    """Let Spark read so many rows."""
    spark.range(rows, numPartitions=1).write.format("noop").mode("overwrite").save()


def in_step(name: str, rows: int) -> None:
    """Let Spark read so many rows in a step."""
    with batchtel.step(name):
        read(rows)


def at_the_same_time(name: str) -> None:
    """Read in steps that are open in two threads at once, twice."""
    for rows in {"left": (100, 1_000), "right": (20, 200)}[name]:
        with batchtel.step(name):
            together.wait()
            read(rows)
            together.wait()


with batchtel.spark.application(spark), batchtel.step("outer"):
    for target, given in ((in_step, ("thread", 30)), (read, (4,))):
        thread = InheritableThread(target=target, args=given)
        thread.start()
        thread.join()
    read(5)
    with ThreadPoolExecutor(2) as pool:
        # One for both threads: they have the same properties.
        list(pool.map(inheritable_thread_target(at_the_same_time), ("left", "right")))
spark.stop()
