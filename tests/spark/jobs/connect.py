"""An application and a streaming query over Spark Connect, with a server of its own: `connect.py FOLDER`."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

from pyspark.sql import Observation, SparkSession, functions
from pyspark.sql.streaming import StreamingQueryListener

import batchtel
import batchtel.spark

ended = threading.Event()


class End(StreamingQueryListener):
    """Sees the end of a query, after the listener that was added before."""

    def onQueryStarted(self, event: Any) -> None:
        pass

    def onQueryProgress(self, event: Any) -> None:
        pass

    def onQueryIdle(self, event: Any) -> None:
        pass

    def onQueryTerminated(self, event: Any) -> None:
        ended.set()


def in_another_step() -> None:
    """Run a step of another thread."""
    with batchtel.step("other"):
        pass


source = f"{sys.argv[1]}/source"
spark = SparkSession.builder.remote("local[2]").appName("spark-connect").getOrCreate()
batchtel.spark.follow_queries(spark)
spark.streams.addListener(End())
with batchtel.spark.application(spark):
    with batchtel.step("extract") as step:
        seen = Observation("seen")
        spark.range(10).observe(seen, functions.count(functions.lit(1)).alias("rows")).write.parquet(source)
        other = threading.Thread(target=in_another_step)
        other.start()
        other.join()
        step.records(written=spark.read.parquet(source).count())
        print(json.dumps({"within": sorted(spark.getTags())}))
    print(json.dumps({"after": sorted(spark.getTags())}))
    rows = spark.readStream.schema("id long").parquet(source)
    stream = rows.observe("batch", functions.count(functions.lit(1)).alias("rows")).writeStream.trigger(
        availableNow=True
    )
    query = stream.format("noop").option("checkpointLocation", f"{sys.argv[1]}/checkpoint").queryName("copied").start()
    query.awaitTermination()
    ended.wait(60)
spark.stop()
