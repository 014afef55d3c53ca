"""Spark's jobs and stages without a line of code: `opentelemetry-instrument spark-submit job.py`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from batchtel.base.guard import harmless
from batchtel.spark import driver

HOMES = ("pyspark.core.context", "pyspark.context")
"""Where SparkContext is: in Spark 4, in Spark 3.5."""


class SparkInstrumentor(BaseInstrumentor):  # type: ignore[misc,unused-ignore]
    """Follows each SparkContext that this program makes, in the run that is open then."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what has to be installed: PySpark, which is imported by the program only."""
        return ("pyspark >= 3.5",)

    @harmless(None)
    def _instrument(self, **kwargs: Any) -> None:
        from wrapt import register_post_import_hook

        for home in HOMES:
            register_post_import_hook(_follow_contexts, home)

    def _uninstrument(self, **kwargs: Any) -> None:
        """Leave contexts as they are: without a run they are not followed."""


@harmless(None)
def _follow_contexts(module: Any) -> None:
    from wrapt import wrap_function_wrapper

    context = module.SparkContext
    if context.__module__ == module.__name__:
        wrap_function_wrapper(module, "SparkContext._do_init", _made)


def _made(init: Any, context: Any, args: Any, kwargs: Any) -> Any:
    made = init(*args, **kwargs)
    driver.follow(context)
    return made
