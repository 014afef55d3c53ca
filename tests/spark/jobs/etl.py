"""An ETL over parquet: `etl.py FOLDER END VERSION [WAY]`.

END is `succeeds`, `fails` (a row that raises an error), `retried` (a task fails once) or `killed` (SIGKILL of the
driver, in the step that loads). VERSION is that of Spark, a part of the application's name. WAY is `application`, or
`plain` for a job that does not name batchtel's Spark.
Prints what has happened as lines of JSON. Its steps write 10,000, 5,700 and 57 rows.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession, functions

import batchtel
import batchtel.spark

ROWS = 10_000

folder, (end, version) = Path(sys.argv[1]), sys.argv[2:4]
way = [*sys.argv[4:], "application"][0]
# One task at a time where one fails, so that the other one has succeeded before; else a task has four attempts.
master = {"retried": "local[2,4]", "fails": "local[1]"}.get(end, "local[2]")
spark = SparkSession.builder.master(master).appName(f"spark-{version}-{end}").getOrCreate()


def source() -> DataFrame:
    """Return what is to be extracted, in two partitions."""
    return spark.range(ROWS, numPartitions=2).withColumn("value", functions.col("id") % 100)


def once(batches: Iterator[Any]) -> Iterator[Any]:
    """Fail in the first attempt of the first partition, after some rows."""
    context = TaskContext.get()
    for number, batch in enumerate(batches):
        if context is not None and (context.partitionId(), context.attemptNumber(), number) == (0, 0, 1_000):
            raise OSError("the disk of this task is gone")
        yield batch


def transform() -> DataFrame:
    """Filter the source; a row of the second partition fails for good, or a task of the first one once."""
    frame = spark.read.parquet(str(folder / "source"))
    if end == "fails":
        frame = source().withColumn("id", functions.expr("if(id = 9001, raise_error('row 9001 is broken'), id)"))
    if end == "retried":
        frame = spark.createDataFrame(frame.rdd.mapPartitions(once), frame.schema)
    frame.where("value < 57").write.mode("overwrite").parquet(str(folder / "passed"))
    return spark.read.parquet(str(folder / "passed"))


def happened(**what: Any) -> None:
    """Print a line about what has happened."""
    print(json.dumps(what), flush=True)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Run a step, and print how many seconds the code in it has lasted."""
    with batchtel.step(name):
        began = time.monotonic()
        try:
            yield
        finally:
            happened(**{f"seconds of {name}": time.monotonic() - began})


def steps(run: batchtel.JobRun) -> None:
    """Extract, transform and load; a step that writes counts by what Spark has written."""
    with step("extract"):
        source().write.mode("overwrite").parquet(str(folder / "source"))
    with step("transform"):
        passed = transform()
    with step("load"):
        counted = passed.groupBy("value").count().repartition(2)
        counted.write.mode("overwrite").parquet(str(folder / "loaded"))
        if end == "killed":
            batchtel.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    run.records(processed=57)


with contextlib.ExitStack() as stack:
    run = stack.enter_context(batchtel.spark.application(spark)) if way == "application" else batchtel.current_job()
    context = spark.sparkContext
    happened(job=context.appName, application=context.applicationId, trace_id=run.trace_id, run_id=run.run_id)
    try:
        steps(run)
    finally:
        error = sys.exc_info()[0]
        jobs = spark.sparkContext.statusTracker().getJobIdsForGroup(None)
        happened(jobs=len(jobs), error="" if error is None else error.__name__)
spark.stop()
