"""Spark: an application is a job, its id a run, and what Spark ran for a step are spans below that step.

    import batchtel
    import batchtel.spark

    with batchtel.spark.application(spark):
        with batchtel.step("extract"):
            frame = spark.read.parquet("orders")

`configure` adds to the configuration of a session what the Python workers of its executors need to find the run.
`follow_queries` makes a run of each batch of streaming queries.
Nothing here imports PySpark before it is called, and then it is used as the driver has loaded it.
"""

from typing import TYPE_CHECKING

from batchtel.base.public_names import importer

if TYPE_CHECKING:
    from batchtel.spark.driver import application
    from batchtel.spark.executors import configure
    from batchtel.spark.queries import follow_queries

__all__ = ["application", "configure", "follow_queries"]

_HOMES = {"application": "driver", "configure": "executors", "follow_queries": "queries"}


__getattr__ = importer(globals(), _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
