"""The queue of metrics: collections, which are kept until the collector has accepted them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from batchtel.export.endpoint import Endpoint
from batchtel.export.outbox import Outbox
from batchtel.export.reply import Reply
from batchtel.export.spool import Spool
from batchtel.redact.patterns import Redaction

BACKLOG_LIMIT: Final = 40
"""Metric collections that have a place; from the half on no more are made until some were sent."""


class MetricsOutbox(Outbox):
    """Collections of metrics on their way out; all that wait go in one request.

    `collect` returns what was recorded since its last call, None for nothing; `before` is called before each.

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

    def _payload(self, batch: list[Any]) -> Any:
        return _together(batch)

    def _next(self) -> list[Any]:
        if self._failures or self._one_by_one:
            self._one_by_one = max(0, self._one_by_one - 1)
            return self._items.pop_newest()
        return self._oldest()

    def _export(self) -> float:
        while True:
            # Without room what is recorded adds up in the SDK, which loses nothing, until some was sent.
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


def _together(collections: list[Any]) -> Any:
    """Put several collections into one request; each point keeps its own start and end times.

    The encoder keeps one entry a resource and one a scope, the last: what has both in common must be in one list.
    """
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics

    resources: dict[Any, dict[Any, list[Any]]] = {}
    for collection in collections:
        for resource in collection.resource_metrics:
            scopes = resources.setdefault(resource.resource, {})
            for scope in resource.scope_metrics:
                scopes.setdefault(scope.scope, []).extend(scope.metrics)
    return MetricsData(
        [
            ResourceMetrics(
                resource,
                [ScopeMetrics(scope, metrics, scope.schema_url or "") for scope, metrics in scopes.items()],
                resource.schema_url,
            )
            for resource, scopes in resources.items()
        ]
    )
