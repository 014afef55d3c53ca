"""The outboxes of one process: they are flushed together, and the process waits for all of them as long as for one."""

from __future__ import annotations

import math
import os
import time
from typing import Final

from batchtel.base import native
from batchtel.base.guard import warn
from batchtel.base.process_exit import is_child_process
from batchtel.export import fate, patience
from batchtel.export.outbox import Outbox
from batchtel.export.worker import Worker
from batchtel.export.worker import flush as flush_workers

SOON: Final = 0.2
"""Seconds until a start is sent: a shorter job sends all it has in one request a signal."""

SPARED: Final = 0.5
"""Seconds that the last flush may take where another process found the collector away less than 30 s ago."""

BRIEF: Final = 0.05
"""Seconds in which a collector answers that is back, or else the next process finds that out."""

SPOOLING: Final = 1.0
"""Seconds that writing to the spool may take on top."""


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
        """Seconds that a flush may take: few where another process has just waited in vain, and one sum for a job.

        Its workers and child programs leave the process that ends last 0.5 s; from what remains for that one its own
        waits are taken off, too.
        """
        spared = any(outbox.is_spared for outbox in self._all)
        seconds = min(SPARED, self._longest) if spared else self._longest
        if patience.is_part():
            seconds = min(seconds, patience.left(self._for_parts))
        else:
            spent = patience.spent()
            own = min(self._own, spent)
            seconds = min(seconds, max(0.0, self._longest - own - min(spent - own, self._for_parts)))
        return seconds if self._left is None else min(seconds, self._left)

    @property
    def _for_parts(self) -> float:
        return max(self._longest - SPARED, self._longest / 2)

    def _delivered(self) -> None:
        """Let the job wait again in full, once no signal of this process waits for an answer any more."""
        if patience.spent() and not any(outbox.is_failing or outbox.is_flying for outbox in self._all):
            patience.restore()

    def enter_host(self) -> None:
        """Be the guest of a program that calls `leave` at its end: before, wait for nothing, and tell no outage."""
        self._has_host = True
        for outbox in self._all:
            outbox.tells_outage = False

    def leave(self, seconds: float) -> None:
        """Flush shortly before the process exits; what is left of `seconds` is all that its exit may wait.

        Next to none, if the collector has been away for a while: the host has many such processes.
        """
        begun = time.monotonic()
        # Not any: a task that has just told of its progress knows better than a mark of 30 s ago.
        if all(outbox.is_away for outbox in self._all):
            seconds = min(seconds, BRIEF)
        self.flush(seconds)
        self._left = max(0.0, seconds - (time.monotonic() - begun))

    def flush(self, timeout: float) -> bool:
        """Send everything recorded until now, all signals at the same time; False if not all arrived in `timeout` s.

        What did not arrive goes to the spool, if there is one, and is sent again with the next export otherwise.
        """
        delivered = flush_workers(self._workers, timeout)
        if not delivered:
            until = time.monotonic() + SPOOLING
            for outbox in self._all:
                # 0.5 s between two pokes of a sensor say nothing of the collector.
                if timeout >= self._for_parts:
                    outbox.mark_outage()
                outbox.give_up(until)
        return delivered

    def flush_by_deadline(self, longest: float = math.inf) -> bool:
        """Flush as long as the deadline allows, and at most `longest` seconds; False if not all arrived."""
        seconds = min(longest, self.deadline)
        self._longest_wait = max(self._longest_wait, seconds)
        more = patience.reserve(seconds)
        if self.flush(seconds):
            patience.give_back(more)
            return True
        self._own += more
        return False

    def run_ended(self) -> None:
        """Flush where a process may end without another flush: a worker, forked or of a pool, or after `stop`."""
        if self._has_host:
            for outbox in self._all:
                outbox.worker.wake()
        elif is_child_process() or self._is_stopped:
            failing = any(outbox.is_failing for outbox in self._all)
            self.flush_by_deadline(SOON if failing else math.inf)

    def stop(self) -> None:
        """Flush, by the deadline, and report what was not accepted by then; afterwards only a run's end is sent."""
        seconds = self.deadline
        end = time.monotonic() + seconds
        delivered = self.flush_by_deadline()
        if delivered:
            native.wait_until(lambda: all(outbox.is_swept for outbox in self._all), end - time.monotonic())
        self._is_stopped = True
        for worker in self._workers:
            worker.rest()
        if delivered:
            native.wait_until(lambda: all(worker.is_idle for worker in self._workers), end - time.monotonic())
        self.report_end()

    def report_end(self) -> None:
        """Report what became of the data, in one line, if anything went wrong."""
        fates = [outbox.ended() for outbox in self._all if outbox.tells_outage]
        sentence = fate.sentence(fates, self._folder, round(self._longest_wait, 1))
        if sentence and not self._is_reported:
            self._is_reported = True
            if patience.may_report():
                warn("batchtel: %s: %s", self.run or f"process {os.getpid()}", sentence)
