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

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchtel.spark.driver import application
    from batchtel.spark.executors import configure
    from batchtel.spark.queries import follow_queries

__all__ = ["application", "configure", "follow_queries"]

_HOMES = {"application": "driver", "configure": "executors", "follow_queries": "queries"}


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
