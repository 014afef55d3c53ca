"""The pages about what the demo's jobs did, as one file."""

from __future__ import annotations

import os
import time
from pathlib import Path

from batchtel_dashboards.web.report import report
from batchtel_dashboards.web.sources import Sources
from batchtel_stack.demo.target import Target
from batchtel_stack.errors import WrongInputError


def require_writable(file: Path) -> None:
    """Return if a file can be written, before anything is started.

    Raises:
        WrongInputError: It cannot.
    """
    if file.is_dir() or not os.access(file if file.exists() else file.absolute().parent, os.W_OK):
        why = "it is a folder" if file.is_dir() else "there is no such folder, or it cannot be written"
        raise WrongInputError(f"cannot write {file}: {why}; name another file: --report FILE.html")


def write(file: Path, target: Target) -> None:
    """Write the fleet and its runs.

    Raises:
        StoreError: A store does not answer.
        WrongInputError: The file cannot be written.
    """
    stores = target.stores
    sources = Sources(stores.prometheus, stores.logs[0], stores.traces[0], target.engine)
    try:
        file.write_text(report(sources, "The demo", time.time(), target.service), encoding="utf-8")
    except OSError as error:
        raise WrongInputError(f"cannot write {file}: {error.strerror}; name another file: --report FILE.html") from None
