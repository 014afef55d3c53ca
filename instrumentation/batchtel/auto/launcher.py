"""Launchers: programs that start a job and are not a job themselves, such as `opentelemetry-instrument`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from batchtel.auto.program_end import program_name

_INSTRUMENT: Final = "opentelemetry-instrument"


def records_its_run(arguments: Sequence[str]) -> bool:
    """Whether a Python program, from `sys.orig_argv`, starts the job and sees to its recording.

    `opentelemetry-instrument` becomes the program that it is given, `batchtel run` records its command.
    """
    name = program_name(arguments)
    if name == _INSTRUMENT:
        return True
    after = [os.path.basename(argument) for argument in arguments]
    return name in ("batchtel", "batchtel.cli.main") and after[after.index(name) + 1 :][:1] == ["run"]
