"""What a run tells of its data: how many records, how good, how new."""

from __future__ import annotations

import os
import time
from datetime import datetime
from typing import Any, Final

from batchtel.base import lock
from batchtel.base.guard import harmless, warn_once
from batchtel.base.shared_counts import Tally, Told
from batchtel.base.timestamps import iso, unix_time
from batchtel.base.values import count_of, score_of, text_of
from batchtel.export import patience

_AHEAD: Final = 86_400.0
"""Seconds that data may be newer than now: a day, for data that is dated by the day of some timezone."""


class Data:
    """The data of one run, as its code has told it in this process.

    `processed` and `failed` are numbers of records, None as long as nothing was told of them, `failed_in_steps` those
    that its steps have reported as failed, None as long as they have reported no records; `newest` is the Unix time
    of the newest data; `minimum` is how many processed records the job's catalogue wants, if it does. What the other
    processes of the run have told is in a tally that they `share`.
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
            patience.share(self._tally, joins=False)

    def announce(self, mark: str) -> None:
        """Let workers find the `mark` of the run where they tell theirs, if this process has opened it."""
        if self._tally is not None and self._is_opener:
            self._tally.announce(mark)

    @property
    def is_over(self) -> bool:
        """Whether the process that has opened the run has ended it and goes on, as far as that can be seen."""
        return self._tally is not None and self._tally.is_closed

    def join(self, place: str) -> None:
        """Tell what this process is told to the tally at `place` too, for the process that has opened the run."""
        if place:
            self._tally = Tally(place)
            patience.share(self._tally, joins=True)

    def attend(self) -> None:
        """Let the other processes of the run find that this one sends its log records itself."""
        if self._tally is not None and self._attends != os.getpid():
            self._attends = os.getpid()
            if not self._is_opener:
                self._tally.add(Told())

    def has_sender(self, process: int) -> bool:
        """Whether the process of that id sends log records of this run itself."""
        if process not in self._senders and self._tally is not None and self._tally.has(process):
            self._senders.add(process)
        return process in self._senders

    @property
    def place(self) -> str:
        """Where other processes find the tally; empty if there is none."""
        return self._tally.place if self._tally is not None else ""

    @harmless(None)
    def survive_exec(self, survives: bool) -> None:
        """Keep the tally, with what was told here, for the program that this process becomes; or keep it no longer."""
        if self._tally is not None and self._is_opener:
            self._tally.keep(Told(self.processed, self.failed, self.newest) if survives else Told())
            self._tally.survive_exec(survives)

    @harmless(None)
    def close(self) -> None:
        """Give the tally back."""
        if self._tally is not None:
            if self._is_opener:
                patience.leave(self._tally)
            (self._tally.close if self._is_opener else self._tally.leave)()

    @property
    def _is_opener(self) -> bool:
        return self._opener == os.getpid()

    def count(self, processed: object, failed: object) -> dict[str, int]:
        """Count records, None for what is not told; return what is to be added to which counter."""
        told = {"processed": processed, "failed": failed}
        known = {name: count for name, value in told.items() if (count := _count(value, name)) is not None}
        with lock.shared():
            for name, count in known.items():
                setattr(self, name, (getattr(self, name) or 0) + count)
        self._tell(Told(**known))
        return {f"records.{name}": count for name, count in known.items()}

    def count_in_step(self, failed: int) -> None:
        """Note that a step has reported records, `failed` of them as failed.

        A record fails in one step only, so these add up to those of the run; read and written records do not.
        """
        with lock.shared():
            self.failed_in_steps = (self.failed_in_steps or 0) + failed
        self._tell(Told(failed_in_steps=failed))

    def judge(self, score: object, schema_version: object) -> None:
        """Keep a data-quality score, from 0 to 1, and the version of the schema that the data was held against."""
        known = score_of(score)
        if known is None:
            return
        self.score = known
        if schema_version is not None:
            self.schema_version = text_of(schema_version)

    def reach(self, moment: object) -> float | None:
        """Keep the time of the newest data, if `moment` is newer; return the newest as Unix time, None if unknown."""
        told = _newest(moment)
        with lock.shared():
            if told is not None:
                self.newest = max(told, self.newest or 0.0)
        self._tell(Told(newest=told))
        return self.newest

    def _tell(self, told: Told) -> None:
        if self._tally is not None and not self._is_opener and told != Told():
            self._tally.add(told)

    def total(self) -> Told:
        """Return what was told here and, in the process that has opened the run, what others have told of it."""
        own = Told(self.processed, self.failed, self.newest, self.failed_in_steps)
        return own + self._tally.total() if self._tally is not None and self._is_opener else own

    @property
    def outcome(self) -> str:
        """Whether the run has processed records: `unknown` where it never said, which is another thing than `zero`.

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
        """Return all that was told; of records that nothing was told of, nothing but that."""
        told = {
            "batch.records.processed": self.processed,
            "batch.records.failed": self._failed,
            "batch.records.outcome": self.outcome,
            "batch.total_records_processed": self.processed,
            "batch.data_quality.score": self.score,
            "batch.schema.version": self.schema_version,
            "batch.data.timestamp": iso(self.newest) if self.newest is not None else None,
        }
        return {key: value for key, value in told.items() if value is not None}


def _count(value: object, what: str) -> int | None:
    return None if value is None else count_of(value, what)


def _newest(moment: object) -> float | None:
    newest = unix_time(moment, "watermark")
    if newest is not None and isinstance(moment, datetime) and moment.utcoffset() is None:
        shown = text_of(moment)
        warn_once("watermark:zone", "watermark %.60s has no timezone, so it is no point in time; not recorded", shown)
        return None
    if newest is not None and not 0 < newest < time.time() + _AHEAD:
        shown = text_of(moment)
        warn_once("watermark:range", "watermark %.60s is before 1970 or after tomorrow; it is not recorded", shown)
        return None
    return newest
