"""A driver whose JVM hangs or is killed within a step: `stopped.py hangs|dies`. Prints the seconds that it costs."""

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

spark = SparkSession.builder.master("local[2]").appName("spark-stopped").getOrCreate()
jvm = spark._sc._gateway.proc
before = {thread.name for thread in threading.enumerate()}
application = batchtel.spark.application(spark)
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
