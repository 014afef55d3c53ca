"""An ETL over parquet: `etl.py FOLDER END [WAY]`.

END is `succeeds`, `fails` (a row that cannot be divided by), `retried` (a task fails once) or `killed` (SIGKILL of the
driver, in the step that loads). WAY is `application`, or `plain` for a job that does not name batchtel's Spark.
Prints the ids of its run as a line of JSON. Its steps write 10,000, 5,700 and 57 rows.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import batchtel
import batchtel.spark

ROWS = 10_000

folder, end, way = Path(sys.argv[1]), sys.argv[2], [*sys.argv[3:], "application"][0]
cores = "local[2,4]" if end == "retried" else "local[2]"
spark = SparkSession.builder.master(cores).appName(f"spark-{end}").getOrCreate()


def extract() -> None:
    """Write what a source has."""
    frame = spark.range(ROWS, numPartitions=2).withColumn("value", F.col("id") % 100)
    frame.write.mode("overwrite").parquet(str(folder / "source"))


def transform() -> DataFrame:
    """Filter the source; one partition fails once, or for good."""
    frame = spark.read.parquet(str(folder / "source")).where("value < 57")
    if end == "fails":
        frame = frame.withColumn("part", F.expr("if(id = 9001, raise_error('row 9001 has no part'), 1)"))
    if end == "retried":
        marker = folder / "failed-once"

        def once(batches: Any) -> Any:
            from pyspark import TaskContext

            for number, batch in enumerate(batches):
                context = TaskContext.get()
                if context is not None and context.partitionId() == 0 and number == 0 and not marker.exists():
                    marker.touch()
                    raise OSError("the disk of this task is gone")
                yield batch

        rows = frame.rdd.mapPartitions(once)
        frame = spark.createDataFrame(rows, frame.schema)
    frame.write.mode("overwrite").parquet(str(folder / "passed"))
    return spark.read.parquet(str(folder / "passed"))


with contextlib.ExitStack() as stack:
    if way == "application":
        run = stack.enter_context(batchtel.spark.application(spark))
    else:
        run = batchtel.current_job()
    ids = {"application": spark.sparkContext.applicationId, "trace": run.trace_id, "run": run.run_id}
    print(json.dumps(ids), flush=True)
    with batchtel.step("extract"):
        extract()
    with batchtel.step("transform"):
        passed = transform()
    with batchtel.step("load"):
        counted = passed.groupBy("value").count().repartition(2)
        counted.write.mode("overwrite").parquet(str(folder / "loaded"))
        if end == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
    run.records(processed=57)
if way == "application":
    spark.stop()
