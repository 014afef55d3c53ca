"""Which tests share one Airflow: it ends with the last of them."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Final

ALONE: Final = ("test_celery", "test_observe", "test_plugin", "test_unseen")
"""Files whose tests have an Airflow of their own; all others share those on which the DAGs are played."""

AT_END: Final = ExitStack()
"""What is called after the last test of an Airflow."""


def world_of(nodeid: str) -> str:
    """Return a name for the Airflow of a test, by its file and the version, which is its first parameter."""
    path, _, test = nodeid.partition("::")
    file = PurePosixPath(path)
    version = re.search(r"\[(\d+\.\d+)", test)
    name = file.stem if file.stem in ALONE else file.parent.name
    return f"{name} {version[1]}" if version else name
