"""The data of a run: number of records, quality, age."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any, Final

from batchtel.base import lock, pristine
from batchtel.base.guard import harmless, warn_once
from batchtel.base.shared_counts import RecordCounts, Tally
from batchtel.base.timestamps import iso, unix_time
from batchtel.base.values import count_of, score_of, text_of
from batchtel.export import wait_budget

_AHEAD: Final = 86_400.0
"""Seconds that data may be newer than now: a day, for data that is dated by the day of some timezone."""

COUNTED: Final = {
    "batch.records.processed",
    "batch.records.failed",
    "batch.records.outcome",
    "batch.total_records_processed",
    "batch.data.timestamp",
}
"""Attributes that the process which has opened a run reports for all its processes, by their tally."""


class Data:
    """The data of one run, as its code has reported it in this process.

    `processed` and `failed` are numbers of records, None as long as none were reported, `failed_in_steps` those
    that its steps have reported as failed, None as long as they have reported no records; `newest` is the Unix time
    of the newest data; `minimum` is how many processed records the job's catalogue wants, if it does. What the other
    processes of the run have reported is in a tally that they `share`.
    """

    def __init__(self) -> None:
        self.processed: int | None = None
        self.failed: int | None = None
        self.newest: float | None = None
        self.failed_in_steps: int | None = None
        self.score: float | None = None
        self.schema_version: str | None = None
        self.minimum: int | None = None
        self._tally: Tally | None = None
        self._opener = 0
        self._attends = 0
        self._senders: set[int] = set()

    @harmless(None)
    def share(self, tally: Tally | None = None) -> None:
        """Let other processes of the run, which this one has opened, add theirs to `tally`, or to a new one."""
        if self._tally is None:
            self._tally, self._opener = tally or Tally.if_possible(), os.getpid()
            wait_budget.share(self._tally, joins=False)

    def announce(self, mark: str) -> None:
        """Put the `mark` of the run where workers add their counts, if this process has opened it."""
        if self._tally is not None and self._is_opener:
            self._tally.announce(mark)

    @property
    def is_over(self) -> bool:
        """Whether the process that has opened the run has ended it and goes on, as far as that can be seen."""
        return self._tally is not None and self._tally.is_closed

    def join(self, place: str) -> None:
        """Also add this process's counts to the tally at `place`, which the process that has opened the run reads."""
        if place:
            self._tally = Tally(place)
            wait_budget.share(self._tally, joins=True)

    def attend(self) -> None:
        """Let the other processes of the run find that this one sends its log records itself."""
        if self._tally is not None and self._attends != os.getpid():
            self._attends = os.getpid()
            if not self._is_opener:
                self._tally.add(RecordCounts())

    def has_sender(self, process: int) -> bool:
        """Whether the process of that id sends log records of this run itself."""
        if process not in self._senders and self._tally is not None and self._tally.has(process):
            self._senders.add(process)
        return process in self._senders

    @property
    def place(self) -> str:
        """The place of the tally, for other processes; empty if there is none."""
        return self._tally.place if self._tally is not None else ""

    @harmless(None)
    def survive_exec(self, survives: bool) -> None:
        """Keep the tally, with the counts of this process, for the program that it becomes; or keep it no longer."""
        if self._tally is not None and self._is_opener:
            self._tally.keep(RecordCounts(self.processed, self.failed, self.newest) if survives else RecordCounts())
            self._tally.survive_exec(survives)

    @harmless(None)
    def close(self) -> None:
        """Give the tally back."""
        if self._tally is not None:
            if self._is_opener:
                wait_budget.leave(self._tally)
            (self._tally.close if self._is_opener else self._tally.leave)()

    @property
    def _is_opener(self) -> bool:
        return self._opener == os.getpid()

    def count(self, processed: object, failed: object) -> dict[str, int]:
        """Count records, None for what is not given; return what is to be added to which counter."""
        counts = {}
        if processed is not None and (count := count_of(processed, "processed")) is not None:
            counts["processed"] = count
        if failed is not None and (count := count_of(failed, "failed")) is not None:
            counts["failed"] = count
        with lock.shared():
            for name, count in counts.items():
                setattr(self, name, (getattr(self, name) or 0) + count)
        if self._tally is not None:
            self._share_counts(RecordCounts(**counts))
        return {f"records.{name}": count for name, count in counts.items()}

    def count_in_step(self, failed: int) -> None:
        """Note that a step has reported records, `failed` of them as failed.

        A record fails in one step only, so these add up to those of the run; read and written records do not.
        """
        with lock.shared():
            self.failed_in_steps = (self.failed_in_steps or 0) + failed
        self._share_counts(RecordCounts(failed_in_steps=failed))

    def judge(self, score: object, schema_version: object) -> None:
        """Keep a data-quality score, from 0 to 1, and the version of the schema that the data was held against."""
        valid = score_of(score)
        if valid is None:
            return
        self.score = valid
        if schema_version is not None:
            self.schema_version = text_of(schema_version)

    def reach(self, moment: object) -> float | None:
        """Keep the time of the newest data, if `moment` is newer; return the newest as Unix time, None if unknown."""
        newest = _newest(moment)
        with lock.shared():
            if newest is not None:
                self.newest = max(newest, self.newest or 0.0)
        self._share_counts(RecordCounts(newest=newest))
        return self.newest

    def _share_counts(self, counts: RecordCounts) -> None:
        if self._tally is not None and not self._is_opener and counts != RecordCounts():
            self._tally.add(counts)

    def total(self) -> RecordCounts:
        """Return the counts of this process and, in the one that has opened the run, those of all its processes."""
        own = RecordCounts(self.processed, self.failed, self.newest, self.failed_in_steps)
        return own + self._tally.total() if self._tally is not None and self._is_opener else own

    @property
    def outcome(self) -> str:
        """Whether the run has processed records: `unknown` where it reported no number, which differs from `zero`.

        `insufficient` is fewer than `minimum`, `sufficient` anything else, for all its processes together.
        """
        processed = self.total().processed
        if processed is None:
            return "unknown"
        if processed == 0:
            return "zero"
        return "insufficient" if processed < (self.minimum or 0) else "sufficient"

    @property
    def _failed(self) -> int | None:
        """Failed records of the run, those that its steps have reported where it has reported none itself."""
        if self.failed is not None:
            return self.failed
        return self.failed_in_steps or (0 if self.processed is not None else None)

    def attributes(self) -> dict[str, Any]:
        """Return the attributes that were recorded; counts that were never reported are left out."""
        attributes = {
            "batch.records.processed": self.processed,
            "batch.records.failed": self._failed,
            "batch.records.outcome": self.outcome,
            "batch.total_records_processed": self.processed,
            "batch.data_quality.score": self.score,
            "batch.schema.version": self.schema_version,
            "batch.data.timestamp": iso(self.newest) if self.newest is not None else None,
        }
        return {key: value for key, value in attributes.items() if value is not None}


def _newest(moment: object) -> float | None:
    newest = unix_time(moment, "watermark")
    if newest is not None and isinstance(moment, datetime) and moment.utcoffset() is None:
        shown = text_of(moment)
        warn_once(
            "watermark:zone", "watermark %.60s has no timezone; it is not recorded; write datetime.now(UTC)", shown
        )
        return None
    if newest is not None and not 0 < newest < pristine.time() + _AHEAD:
        shown = text_of(moment)
        warn_once("watermark:range", "watermark %.60s is before 1970 or after tomorrow; it is not recorded", shown)
        return None
    return newest
