"""The ledger: a record of what each job process did, in a file of its own, without any telemetry.

A job opens a page for its run and one for each step, inside the `with` of batchtel, so each line is on disk before
telemetry is recorded. The status of a page follows from the exception that leaves it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

FOLDER_VARIABLE: Final = "DEMO_LEDGER"
"""Names the folder of the ledgers."""

Line = Mapping[str, Any]
"""One line: `event` is started, step, record_failed or ended; the other keys are its details."""


class Page:
    """The counts of an open run or step; `write` adds a line about an event within it to the ledger."""

    def __init__(self, file: Path, who: Line) -> None:
        self._file = file
        self._who = who
        self._counts: dict[str, Any] = {}

    def write(self, event: str, **more: Any) -> None:
        """Add a line and write it to disk."""
        with self._file.open("a") as file:
            file.write(json.dumps({"event": event, **self._who, **more}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def count(self, **counts: Any) -> None:
        """Set numbers for the closing line of the page; a later value replaces an earlier one."""
        self._counts.update(counts)

    def failed_record(self, record: object) -> None:
        """Add a line about one failed record."""
        self.write("record_failed", record=str(record))

    @contextmanager
    def step(self, name: str) -> Iterator[Page]:
        """Open a page for a step of the run."""
        page = Page(self._file, {**self._who, "step": name})
        with page._closing("step"):
            yield page

    @contextmanager
    def _closing(self, event: str) -> Iterator[None]:
        error_type = ""
        try:
            yield
        except BaseException as error:
            error_type = type(error).__name__
            raise
        finally:
            status = "failure" if error_type else "success"
            self.write(event, status=status, error_type=error_type, **self._counts)


@contextmanager
def run(job: str, run_id: str, attempt: int = 1) -> Iterator[Page]:
    """Open a page for one run of a job, in the ledger of this process."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    page = Page(
        folder / f"{job}-{os.getpid()}-{time.time_ns()}.jsonl", {"job": job, "run_id": run_id, "attempt": attempt}
    )
    page.write("started")
    with page._closing("ended"):
        yield page


def read(folder: Path) -> list[Line]:
    """Return the lines of all ledgers of a folder.

    Raises:
        ValueError: A line is not JSON; the message names file and line.
    """
    lines: list[Line] = []
    for file in sorted(folder.glob("*.jsonl")):
        for number, text in enumerate(file.read_text().splitlines(), start=1):
            try:
                lines.append(json.loads(text))
            except ValueError as error:
                raise ValueError(f"{file}:{number}: not a line of a ledger: {error}") from error
    return lines
