"""The failed records of one run that are logged one by one."""

from __future__ import annotations

import itertools

from batchtel.base.values import exception_attributes, text_of
from batchtel.runs.recorder import Recorder
from batchtel.schema.limits import RUN_EVENT_LIMIT


class FailedRecords:
    """Logs the first failed records of one run, those of its steps among them."""

    def __init__(self) -> None:
        # A counter whose next() is atomic: threads share the limit of their run.
        self._numbers = itertools.count(1)

    def log(self, recorder: Recorder, id: object, error: BaseException | str) -> None:  # noqa: A002  # the term of users
        """Log one failed record of the run or the step of `recorder`, if fewer than 100 have been."""
        if recorder.telemetry is None or (number := next(self._numbers)) > RUN_EVENT_LIMIT + 1:
            return
        if number > RUN_EVENT_LIMIT:
            body, details = f"more than {RUN_EVENT_LIMIT} records failed; the rest is counted, not logged", {}
        else:
            body = f"record {text_of(id)} failed: {text_of(error)}"
            details = {"batch.record.id": text_of(id)}
            if isinstance(error, BaseException):
                details.update(exception_attributes(error))
            else:
                details["exception.message"] = text_of(error)
        recorder.event("batch.record.failed", body, details, "WARN")
