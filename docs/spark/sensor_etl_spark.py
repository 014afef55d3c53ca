"""The same ETL with Spark, which counts records itself.

spark-submit sensor_etl_spark.py --output-path ./sensors [--simulate-failure]
"""

import argparse

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, rand, when

import batchtel
import batchtel.spark

ROWS = 100_000


def etl(spark: SparkSession, output: str, simulate_failure: bool) -> int:
    """Extract, transform and load; return the number of rows that have passed."""
    with batchtel.step("extract"):
        celsius, humidity = rand(7) * 80 - 10, rand(8) * 90 + 10
        readings = spark.range(ROWS, numPartitions=4).select("id", celsius.alias("celsius"), humidity.alias("humidity"))
        readings.write.mode("overwrite").parquet(f"{output}/raw")
    with batchtel.step("transform"):
        if simulate_failure:
            raise ValueError("schema mismatch")
        quality = when(col("celsius") < 10, "cold").when(col("celsius") < 35, "normal").otherwise("hot")
        passed = spark.read.parquet(f"{output}/raw").where("celsius between 0 and 55 and humidity between 20 and 95")
        passed.withColumn("quality", quality).write.mode("overwrite").parquet(f"{output}/readings")
    with batchtel.step("load") as step:
        counts = {
            row["quality"]: row["count"]
            for row in spark.read.parquet(f"{output}/readings").groupBy("quality").count().collect()
        }
        step.set(counts)
    return sum(counts.values())


def main() -> None:
    """Run the ETL in a session of its own, and stop that."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--output-path", default="sensors")
    arguments.add_argument("--simulate-failure", action="store_true")
    given = arguments.parse_args()
    spark = SparkSession.builder.appName("sensor-etl").getOrCreate()
    try:
        with batchtel.spark.application(spark, type="etl") as job:
            job.records(processed=etl(spark, given.output_path, given.simulate_failure))
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
