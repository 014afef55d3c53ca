"""The queue of metrics: collections, which are kept until the collector has accepted them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from batchtel.export import messages
from batchtel.export.endpoint import Endpoint
from batchtel.export.outbox import Outbox
from batchtel.export.reply import Reply
from batchtel.export.spool import Spool
from batchtel.redact.patterns import Redaction

BACKLOG_LIMIT: Final = 40
"""Metric collections that have a place; from the half on no more are made until some were sent."""


class MetricsOutbox(Outbox):
    """Collections of metrics on their way out; all that wait go in one request.

    `collect` returns what was recorded since its last call, as ResourceMetrics of OTLP, None for nothing; `before` is
    called before each.

    A delta that is dropped is lost for good: the stock reader turns 12 into 5 and reports success (opentelemetry-python
    #5020). After a failure they go one by one, the newest first, so that a collection which the collector never
    accepts cannot hold up the others; sums and maxima do not depend on the order.
    """

    limit = BACKLOG_LIMIT

    def __init__(
        self,
        endpoint: Endpoint,
        interval: float,
        timeout: float,
        spool: Spool | None,
        redaction: Redaction,
        before: Callable[[], None],
        collect: Callable[[], Any],
    ) -> None:
        self._before = before
        self._collect = collect
        super().__init__(endpoint, interval, timeout, spool, redaction)

    def spool_remaining(self, until: float) -> None:
        """Move what could not be delivered to the spool, with what was recorded since the last collection."""
        if self._spool is not None:
            self._pull()
        super().spool_remaining(until)

    def _encoded(self, batch: list[Any]) -> bytes:
        # Nothing to redact: labels are those of the table, and the resource, the same for all, is clean.
        together = type(batch[0])()
        together.CopyFrom(batch[0])
        for collection in batch[1:]:
            together.scope_metrics[0].metrics.extend(collection.scope_metrics[0].metrics)
        return messages.encode_metrics([together])

    def _goes_on(self, waiting: int) -> bool:
        # Collections are few, and after a failure they go one by one.
        return True

    def _next(self) -> list[Any]:
        if self._failures or self._one_by_one:
            self._one_by_one = max(0, self._one_by_one - 1)
            return self._items.pop_newest()
        return self._oldest()

    def _export(self) -> float:
        while True:
            # Without room what is recorded adds up in the meter, which loses nothing, until some was sent.
            collects = self.has_room
            if collects:
                self._pull()
            else:
                self._before()
            delay = super()._export()
            if delay or collects:
                return delay

    def _pull(self) -> None:
        self._before()
        if (collection := self._collect()) is not None:
            self.put(collection)

    def _on_reply(self, batch: list[Any], reply: Reply) -> None:
        if reply.verdict == "refused" and len(batch) > 1:
            # One of them is at fault; the others are not to go with it.
            self._one_by_one = len(batch)
            reply = Reply("retry")
        super()._on_reply(batch, reply)
