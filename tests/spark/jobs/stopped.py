"""A driver whose JVM hangs or is killed within a step: `stopped.py hangs|dies|limit`. Prints the seconds that it costs.

With `limit`, a time limit of the job ends while the JVM hangs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

from pyspark.sql import SparkSession

import batchtel
import batchtel.spark


def limit(*_: object) -> None:
    """Raise what ends a job that lasts too long, and let the JVM go on."""
    os.kill(jvm.pid, signal.SIGCONT)
    raise TimeoutError("the limit of this job")


spark = SparkSession.builder.master("local[2]").appName("spark-stopped").getOrCreate()
jvm = spark._sc._gateway.proc
before = {thread.name for thread in threading.enumerate()}
application = batchtel.spark.application(spark)
if sys.argv[1] == "limit":
    signal.signal(signal.SIGALRM, limit)
    with application:
        try:
            with batchtel.step("extract"):
                spark.range(100).count()
                os.kill(jvm.pid, signal.SIGSTOP)
                signal.setitimer(signal.ITIMER_REAL, 0.3)
        except TimeoutError:
            print(json.dumps({"tags": sorted(spark.sparkContext.getJobTags())}))
        with batchtel.step("load"):
            spark.range(7, numPartitions=1).write.format("noop").mode("overwrite").save()
    sys.exit()
with application:
    with batchtel.step("extract"):
        spark.range(100).count()
        os.kill(jvm.pid, signal.SIGSTOP if sys.argv[1] == "hangs" else signal.SIGKILL)
        if sys.argv[1] == "dies":
            jvm.wait()
        began = time.monotonic()
    ended = time.monotonic()
    with batchtel.step("load") as load:
        load.records(written=3)
rest = time.monotonic() - ended
batchtel.flush()
after = {thread.name for thread in threading.enumerate()}
left = sorted(name for name in after - before if "batchtel" not in name)
print(json.dumps({"step": ended - began, "rest": rest, "threads": left}))
if sys.argv[1] == "hangs":
    os.kill(jvm.pid, signal.SIGCONT)
