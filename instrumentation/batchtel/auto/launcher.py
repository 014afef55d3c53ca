"""Programs that start a job, or work for one, and are not a job themselves, such as `opentelemetry-instrument`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from batchtel.auto.program_end import program_name

_INSTRUMENT: Final = "opentelemetry-instrument"
_FIND_SPARK: Final = "find_spark_home"
_OF_SPARK: Final = "pyspark."


def records_its_run(arguments: Sequence[str]) -> bool:
    """Whether a Python program, from `sys.orig_argv`, is part of a job that is recorded elsewhere.

    `opentelemetry-instrument` becomes the program that it is given, `batchtel run` records its command. `spark-submit`
    is a script that looks for Spark by a Python program, and Spark starts Python workers for the driver, which is the
    job.
    """
    name = program_name(arguments)
    if name in (_INSTRUMENT, _FIND_SPARK) or name.startswith(_OF_SPARK):
        return True
    after = [os.path.basename(argument) for argument in arguments]
    return name in ("batchtel", "batchtel.cli.main") and after[after.index(name) + 1 :][:1] == ["run"]
