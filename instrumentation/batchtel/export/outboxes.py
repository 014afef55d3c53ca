"""The queues of one process: they are flushed at the same time, within one deadline."""

from __future__ import annotations

import math
import os
from typing import Final

from batchtel.base import native, pristine
from batchtel.base.guard import warn
from batchtel.base.process_exit import is_child_process
from batchtel.export import undelivered, wait_budget
from batchtel.export.outbox import Outbox
from batchtel.export.worker import Worker
from batchtel.export.worker import flush as flush_workers

START_DELAY: Final = 0.2
"""Seconds until a start is exported: a shorter job sends all it has in one request a signal."""

FLUSH_TIMEOUT_IN_OUTAGE: Final = 0.5
"""Seconds that the last flush may last where another process had no reply from the collector less than 30 s ago."""

FLUSH_TIMEOUT_IN_LONG_OUTAGE: Final = 0.05
"""Seconds of a flush during a long outage: a collector that is back replies within them."""


class Outboxes:
    """One outbox for each signal that is sent, and what else is to be flushed.

    `longest` is BATCHTEL_EXIT_TIMEOUT, `folder` BATCHTEL_SPOOL_DIR.
    """

    def __init__(self, longest: float, folder: str = "") -> None:
        self._longest = longest
        self._all: list[Outbox] = []
        self._workers: list[Worker] = []
        self._has_host = False
        self._left: float | None = None
        self._own = self._longest_wait = 0.0
        self._folder = folder
        self._is_reported = self._is_stopped = False
        self.is_late = False
        """Whether the main thread has ended before this began."""
        self.run = ""
        """The run that is named at the end, the newest of the process."""

    def add(self, outbox: Outbox) -> None:
        """Flush `outbox` with the others."""
        self._all.append(outbox)
        outbox.delivered = self._delivered
        self._workers.append(outbox.worker)

    def add_worker(self, worker: Worker) -> None:
        """Flush what `worker` exports with the others: a tracer provider of the job's own."""
        self._workers.append(worker)

    @property
    def deadline(self) -> float:
        """Seconds that a flush may last: few where another process has just waited in vain, and one sum for a job.

        Its workers and child programs leave the process that ends last 0.5 s; from what remains for that one its own
        waits are subtracted, too.
        """
        short_circuited = any(outbox.is_short_circuited for outbox in self._all)
        seconds = min(FLUSH_TIMEOUT_IN_OUTAGE, self._longest) if short_circuited else self._longest
        if wait_budget.is_part():
            seconds = min(seconds, wait_budget.left(self._for_parts))
        else:
            spent = wait_budget.spent()
            own = min(self._own, spent)
            seconds = min(seconds, max(0.0, self._longest - own - min(spent - own, self._for_parts)))
        return seconds if self._left is None else min(seconds, self._left)

    @property
    def _for_parts(self) -> float:
        return max(self._longest - FLUSH_TIMEOUT_IN_OUTAGE, self._longest / 2)

    def _delivered(self) -> None:
        """Let the job wait again in full, once no signal of this process waits for an answer any more."""
        if wait_budget.spent() and not any(outbox.is_failing or outbox.is_in_flight for outbox in self._all):
            wait_budget.restore()

    def embed_in_host(self) -> None:
        """Run inside a host (Airflow) that calls `leave` before it exits: never wait earlier, never warn of outages."""
        self._has_host = True
        for outbox in self._all:
            outbox.warns_of_outage = False

    def leave(self, seconds: float) -> None:
        """Flush shortly before the process exits; what is left of `seconds` is all that its exit may wait.

        Next to none, if the collector has been away for a while: the host has many such processes.
        """
        begun = pristine.monotonic()
        # Not any: an export of progress that was just accepted is newer than a mark of 30 s ago.
        if all(outbox.is_away for outbox in self._all):
            seconds = min(seconds, FLUSH_TIMEOUT_IN_LONG_OUTAGE)
        self.flush(seconds)
        self._left = max(0.0, seconds - (pristine.monotonic() - begun))

    def flush(self, timeout: float) -> bool:
        """Send everything recorded until now, all signals at the same time; False if not all arrived in `timeout` s.

        What did not arrive goes to the spool, if there is one, and is sent again with the next export otherwise.
        """
        delivered = flush_workers(self._workers, timeout)
        if not delivered:
            until = pristine.monotonic() + wait_budget.SPOOL_TIMEOUT
            for outbox in self._all:
                # 0.5 s between two pokes of a sensor are too short to conclude that the collector is away.
                if timeout >= self._for_parts:
                    outbox.mark_outage()
                outbox.spool_remaining(until)
        return delivered

    def flush_by_deadline(self, longest: float = math.inf) -> bool:
        """Flush as long as the deadline allows, and at most `longest` seconds; False if not all arrived."""
        seconds = min(longest, self.deadline)
        self._longest_wait = max(self._longest_wait, seconds)
        more = wait_budget.reserve(seconds)
        if self.flush(seconds):
            wait_budget.give_back(more)
            return True
        self._own += more
        return False

    def run_ended(self) -> None:
        """Flush where a process may end without another flush: a worker, forked or of a pool, after `stop`, or late."""
        if self._has_host:
            for outbox in self._all:
                outbox.worker.wake()
        elif is_child_process() or self._is_stopped or self.is_late:
            failing = any(outbox.is_failing for outbox in self._all)
            self.flush_by_deadline(START_DELAY if failing else math.inf)

    def stop(self) -> None:
        """Flush, by the deadline, and report what was not accepted by then; afterwards only a run's end is sent."""
        seconds = self.deadline
        end = pristine.monotonic() + seconds
        delivered = self.flush_by_deadline()
        if delivered:
            native.wait_until(lambda: all(outbox.is_swept for outbox in self._all), end - pristine.monotonic())
        self._is_stopped = True
        for worker in self._workers:
            worker.rest()
        if delivered:
            native.wait_until(lambda: all(worker.is_idle for worker in self._workers), end - pristine.monotonic())
        self.report_end()

    def report_end(self) -> None:
        """Log one line on the data that was not delivered, if there was any."""
        reports = [outbox.ended() for outbox in self._all if outbox.warns_of_outage]
        sentence = undelivered.sentence(reports, self._folder, round(self._longest_wait, 1))
        if sentence and not self._is_reported:
            self._is_reported = True
            if wait_budget.may_report():
                warn("batchtel: %s: %s", self.run or f"process {os.getpid()}", sentence)
