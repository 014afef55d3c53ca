"""The queue of one signal: bounded, and emptied by a worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from batchtel.base import native, pristine
from batchtel.base.guard import warn, warn_once
from batchtel.export import messages, wait_budget
from batchtel.export.delivery import Delivery
from batchtel.export.encoder import Encoder
from batchtel.export.endpoint import Endpoint
from batchtel.export.outage_marker import Outage
from batchtel.export.reply import Reply
from batchtel.export.spool import Spool, Spooled
from batchtel.export.undelivered import Undelivered
from batchtel.export.waiting import Waiting
from batchtel.export.worker import Worker
from batchtel.redact.patterns import Redaction

QUEUE_LIMIT: Final = 16384
"""Spans or log records that wait; beyond it the oldest are dropped."""

BATCH_LIMIT: Final = 512
"""Spans or log records of one request; the specification's default."""

_FIRST_RETRY: Final = 0.1
_LONGEST_RETRY: Final = 15.0

_reported_outages: Final[set[str]] = set()
"""The addresses whose outage was reported: one line for all signals that go there."""


class Outbox:
    """Spans or log records on their way out: `put` never blocks, the worker sends them in batches.

    What the collector does not accept now is kept and sent again; what it refuses for good is dropped with a warning.
    A request without a reply is sent again with the same content: a repetition can be recognised by its times and its
    service.instance.id, a loss cannot be made good.
    """

    limit = QUEUE_LIMIT

    def __init__(
        self, endpoint: Endpoint, interval: float, timeout: float, spool: Spool | None, redaction: Redaction
    ) -> None:
        self._endpoint = endpoint
        self._encoder = Encoder(redaction)
        self._delivery = Delivery(endpoint, timeout)
        self._spool = spool
        self._outage = Outage(endpoint.url)
        self._items = Waiting(self.limit)
        # Reentrant: SIGTERM may come while the main thread is in here, and its handler spools.
        self._lock = native.RLock()
        self._in_flight: list[Any] | None = None
        self._in_flight_file: Path | None = None
        self._failures = 0
        self._was_answered = False
        self._one_by_one = 0
        self.is_short_circuited = self._outage.is_fresh
        """Whether another process found the collector away less than 30 s ago, and this one has not found it back."""
        self.warns_of_outage = True
        """Whether this process warns of a collector that accepts nothing; False where another one does."""
        self.delivered: Callable[[], None] = lambda: None
        """Called after each request that the collector has acknowledged."""
        self.undelivered = Undelivered(endpoint.signal)
        """The items that were not delivered."""
        if endpoint.problem:
            self.is_short_circuited = True
            _reported_outages.add(endpoint.server)
        self.is_swept = spool is None
        """Whether nothing of earlier runs is left in the spool that could be sent now."""
        if not endpoint.problem:
            # Not in the worker, whose imports would find what the job has made of the interpreter meanwhile.
            self._delivery.load()
        self.worker = Worker(endpoint.signal, self._export, interval, self._sweep)

    def put(self, item: Any) -> None:
        """Queue one item; wakes the worker when a whole batch waits."""
        if not self._items.put(item):
            self.undelivered.lost += 1
            warn_once(
                f"full:{self._endpoint.signal}",
                "more than %d %s wait; the oldest are dropped",
                self.limit,
                self._endpoint.signal,
            )
        if len(self._items) % BATCH_LIMIT == 0:
            self.worker.wake()

    @property
    def has_room(self) -> bool:
        """Whether less than half of the queue is used."""
        return len(self._items) < self.limit // 2

    @property
    def is_away(self) -> bool:
        """Whether no process of this host has had an answer of the collector for a while, this one neither."""
        return self._outage.is_long and not self._was_answered

    @property
    def is_in_flight(self) -> bool:
        """Whether a request is on its way."""
        return self._in_flight is not None

    @property
    def is_failing(self) -> bool:
        """Whether the last request was not accepted."""
        return self._failures > 0

    def mark_outage(self) -> None:
        """Mark the outage for other processes, if this one has waited in vain as long as any of them would."""
        # A wait that was cut short by a mark must not renew it: a busy machine would keep it alive for ever.
        if self._failures or (self._in_flight is not None and not self.is_short_circuited):
            self._outage.mark()

    def spool_remaining(self, until: float) -> None:
        """Move what could not be delivered by its deadline to the spool, if there is one, by `until` (monotonic).

        What is on its way moves as well, for its reply may never come; if it does come, the file goes.
        """
        if self._spool is None:
            return
        self.is_swept = False
        with self._lock:
            if self._in_flight is not None and self._in_flight_file is None:
                self._in_flight_file = self._write(self._in_flight)
            while self._items and pristine.monotonic() < until:
                batch = self._oldest()
                if self._write(batch) is None:
                    self._put_back(batch)
                    return
        if self._items:
            warn_once("spool:late", "%d %s could not be spooled in time", len(self._items), self._endpoint.signal)

    def ended(self) -> Undelivered:
        """Return the items that were not delivered, now that the process ends: what still waits is lost."""
        with self._lock:
            in_flight = self._in_flight if self._in_flight_file is None else None
            left = len(self._items) + len(in_flight or ())
        self.undelivered.dropped_files = self._spool.dropped if self._spool is not None else 0
        return self.undelivered.with_left(left, self._endpoint.shown)

    def _write(self, batch: list[Any]) -> Path | None:
        assert self._spool is not None
        try:
            path = self._spool.write(self._encoded(batch))
            self.undelivered.spooled[path] = len(batch)
            return path
        except Exception as error:
            # Not only OSError: what cannot be encoded must not keep the other signals from the spool.
            warn_once("spool", "cannot write to the spool BATCHTEL_SPOOL_DIR: %s", error)
            return None

    def _encoded(self, batch: list[Any]) -> bytes:
        """Return the request of some items, without secrets."""
        encode = self._encoder.spans if self._endpoint.signal == "traces" else self._encoder.log_records
        return encode(batch)

    def _oldest(self) -> list[Any]:
        """Remove and return the items of one request, the oldest, batchtel's own before others."""
        limit = 1 if self._one_by_one else BATCH_LIMIT
        self._one_by_one = max(0, self._one_by_one - 1)
        return self._items.pop(limit)

    def _next(self) -> list[Any]:
        """Remove and return the items of the next request."""
        return self._oldest()

    def _export(self) -> float:
        waiting = len(self._items)
        while self._items and self._goes_on(waiting):
            waiting -= BATCH_LIMIT
            reply = self._send(self._next)
            if reply.verdict == "retry":
                if self._spool is not None and not self.has_room:
                    self.spool_remaining(pristine.monotonic() + 1.0)
                return self._until_retry(reply)
        return 0.0

    def _goes_on(self, waiting: int) -> bool:
        """Whether to send another request now: what came meanwhile waits for its batch, unless a flush asks for all.

        `waiting` are the items, of those that waited at the start, which were not sent.
        """
        return waiting > 0 or self.worker.is_flushing or bool(self._one_by_one) or len(self._items) >= BATCH_LIMIT

    def _until_retry(self, reply: Reply) -> float:
        # Not of `random`, whose numbers are the job's.
        spread = 0.8 + 0.4 * pristine.urandom(1)[0] / 255
        wait = min(_LONGEST_RETRY, _FIRST_RETRY * 2 ** min(self._failures - 1, 10)) * spread
        return max(float(wait), reply.retry_after)

    def _send(self, pop: Callable[[], list[Any]]) -> Reply:
        with self._lock:
            batch = self._in_flight = pop()
        reply = Reply("retry")
        try:
            reply = self._delivery.send(lambda: self._encoded(batch))
        finally:
            self._on_reply(batch, reply)
        if not (reply.is_unsent and len(batch) > 1):
            self._record_reply(reply)
        return reply

    def _on_reply(self, batch: list[Any], reply: Reply) -> None:
        with self._lock:
            file, self._in_flight, self._in_flight_file = self._in_flight_file, None, None
            if file is not None:
                # Spooled in the meantime: the file is what is left of it.
                if reply.verdict == "delivered":
                    file.unlink(missing_ok=True)
                    self.undelivered.spooled.pop(file, None)
            elif reply.verdict == "retry":
                self._put_back(batch)
            elif reply.is_unsent and len(batch) > 1:
                # One of them cannot be encoded; the others are not to go with it.
                self._one_by_one = len(batch)
                self._put_back(batch)
            elif reply.verdict == "refused" and not (self._keeps(reply) and self._write(batch)):
                self.undelivered.lost += len(batch)
            self.undelivered.lost += reply.rejected

    def _keeps(self, reply: Reply) -> bool:
        """Whether what was refused waits in the spool for another setting."""
        return self._spool is not None and reply.is_misdirected

    def _put_back(self, batch: list[Any]) -> None:
        self.undelivered.lost += self._items.put_back(batch)

    def _record_reply(self, reply: Reply) -> None:
        """Keep how it went, and warn once an outage: the reason and, where the port shows it, the fix."""
        url, server = self._endpoint.shown, self._endpoint.server
        self.undelivered.reason = reply.reason or self.undelivered.reason
        self._was_answered = reply.verdict != "retry"
        if reply.verdict == "delivered":
            self._outage.clear()
            _reported_outages.discard(server)
            self._failures = 0
            self.is_short_circuited = False
            self.delivered()
        elif reply.verdict == "refused":
            self._outage.clear()
            self._failures = 0
            self.is_short_circuited = False
            # Once for all signals, which go to one server for one reason.
            warn_once(
                f"refused:{server}:{reply.reason[:40]}",
                "%s refuses telemetry for good, so it is %s: %s",
                self._endpoint.shown_request,
                "kept in the spool" if self._keeps(reply) else "lost",
                reply.reason,
            )
        else:
            self._failures += 1
            self._outage.mark()
            if self.warns_of_outage and server not in _reported_outages:
                _reported_outages.add(server)
                if not wait_budget.may_warn():
                    return
                self.undelivered.is_outage_reported = True
                reason = self._endpoint.diagnose() or reply.reason or "no reply"
                warn("cannot send telemetry to %s: %s; it is kept and sent again until this process ends", url, reason)

    def _sweep(self) -> None:
        """Send what earlier runs left in the spool, one file after the other, until a flush asks for the thread."""
        if self._spool is None or self.is_swept:
            return
        passed: set[str] = set()
        while not self.worker.is_wanted:
            with self._spool.oldest(passed) as spooled:
                if spooled is None or not self._resend(spooled):
                    break
                passed.add(spooled.path.name)
        else:
            return
        self.is_swept = True

    def _resend(self, spooled: Spooled) -> bool:
        """Send one file of the spool and delete it; False if the collector accepts nothing now."""
        if not messages.is_request(self._endpoint.signal, spooled.data):
            warn_once("spool:unreadable", "%s is no request of OTLP, so it is deleted", spooled.path)
            spooled.delete()
            return True
        reply = self._delivery.send_encoded(spooled.data)
        self._record_reply(reply)
        if reply.verdict == "retry" or reply.is_misdirected:
            return False
        spooled.delete()
        self.undelivered.settle(spooled.path, reply.verdict == "delivered")
        return True
