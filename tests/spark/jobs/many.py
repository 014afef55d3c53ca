"""Steps of many small jobs: `many.py JOBS`; the first step has so many, the second one two."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

import batchtel
import batchtel.spark

spark = SparkSession.builder.master("local[2]").appName("spark-many").getOrCreate()
with batchtel.spark.application(spark):
    for step, jobs in (("many", int(sys.argv[1])), ("two", 2)):
        with batchtel.step(step):
            for _ in range(jobs):
                spark.range(10, numPartitions=1).write.format("noop").mode("overwrite").save()
spark.stop()
