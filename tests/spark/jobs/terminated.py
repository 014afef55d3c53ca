"""A driver that SIGTERM ends while a job of Spark runs in a step, and that is the second attempt of its application."""

from __future__ import annotations

import os
import signal
import threading
import time

from pyspark.sql import SparkSession

import batchtel
import batchtel.spark

builder = SparkSession.builder.master("local[2]").appName("spark-terminated")
# As YARN sets it in a cluster.
spark = builder.config("spark.app.attempt.id", "2").getOrCreate()


def terminate() -> None:
    """Send SIGTERM to this process as soon as a job runs."""
    while not spark.sparkContext.statusTracker().getActiveJobsIds():
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)


with batchtel.spark.application(spark):
    with batchtel.step("extract"):
        spark.range(10).count()
    with batchtel.step("load"):
        threading.Thread(target=terminate, daemon=True).start()
        spark.range(2, numPartitions=2).foreach(lambda row: time.sleep(60))
