"""What waits to be sent, per signal: bounded queues that a worker empties through a stock exporter."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from batchtel.endpoint import Endpoint
from batchtel.guard import LOGGER, warn_once
from batchtel.worker import THREAD_PREFIX, Worker

QUEUE_LIMIT: Final = 16384
"""Spans or log records that wait; beyond it the oldest are dropped."""

BATCH_LIMIT: Final = 512
"""Spans or log records of one request; the specification's default."""

BACKLOG_LIMIT: Final = 40
"""Metric collections that wait: 10 minutes of failed exports at the default interval."""


class Outbox:
    """Spans or log records on their way out: `put` never blocks, the worker sends them in batches.

    A batch that the stock exporter gives up on, after its own retries, is lost, as with the SDK's processors.
    """

    limit = QUEUE_LIMIT
    fate = "they are lost"

    def __init__(self, endpoint: Endpoint, interval: float, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._items: deque[Any] = deque(maxlen=self.limit)
        self._exporter: Any = None
        self._failing = False
        self.worker = Worker(endpoint.signal, self._export, interval)

    def put(self, item: Any) -> None:
        """Queue one item; wakes the worker when a whole batch waits."""
        if len(self._items) == self.limit:
            warn_once(
                f"full:{self._endpoint.signal}",
                "more than %d %s wait; dropping some",
                self.limit,
                self._endpoint.signal,
            )
        self._items.append(item)
        if len(self._items) % BATCH_LIMIT == 0:
            self.worker.wake()

    @property
    def has_room(self) -> bool:
        """Whether less than half of the queue is taken."""
        return len(self._items) < self.limit // 2

    def _export(self) -> None:
        while self._items:
            batch = [self._items.popleft() for _ in range(min(BATCH_LIMIT, len(self._items)))]
            if not self._send(batch):
                return

    def _send(self, payload: Any) -> bool:
        with _ExporterLog() as log:
            if self._exporter is None:
                self._exporter = self._endpoint.exporter(self._timeout)
            delivered: bool = self._exporter.export(payload).name == "SUCCESS"
        if not delivered and not self._failing:
            # One line an outage, not one an interval: the reason and, where the port tells it, the fix.
            reason = self._endpoint.diagnose() or log.last or "the collector refused them"
            LOGGER.warning("cannot send %s to %s: %s; %s", self._endpoint.signal, self._endpoint.url, reason, self.fate)
        self._failing = not delivered
        return delivered


class MetricsOutbox(Outbox):
    """Collections of metrics on their way out; what could not be sent is kept and sent again.

    A delta that is dropped is lost for good: the stock reader turns 12 into 5 and reports success (opentelemetry-python
    #5020). After a failure they go one by one, the newest first, so that a collection which the collector will never
    take cannot hold up the others; sums and maxima do not depend on the order.
    """

    limit = BACKLOG_LIMIT
    fate = "they are kept and sent again"

    def __init__(self, endpoint: Endpoint, interval: float, timeout: float, collect: Callable[[], None]) -> None:
        self._collect = collect
        super().__init__(endpoint, interval, timeout)

    def _export(self) -> None:
        self._collect()
        if not self._items:
            return
        if not self._failing:
            waiting = [self._items.popleft() for _ in range(len(self._items))]
            if not self._send(_together(waiting)):
                self._items.extendleft(reversed(waiting))
            return
        while self._items:
            collection = self._items.pop()
            if not self._send(collection):
                self._items.appendleft(collection)
                return


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


class _ExporterLog:
    """Keeps what the stock exporters log in our threads off the job's log; `last` is the latest text, the reason."""

    def __init__(self) -> None:
        self.last = ""

    def __enter__(self) -> _ExporterLog:
        _local.log = self
        # Filters of a logger see only what is logged to it directly, so each exporter module's logger needs its own.
        for name in [name for name in logging.root.manager.loggerDict if name.startswith("opentelemetry.exporter.")]:
            logging.getLogger(name).addFilter(_divert)
        return self

    def __exit__(self, *unused: object) -> None:
        _local.log = None


_local = threading.local()


def _divert(record: logging.LogRecord) -> bool:
    log = getattr(_local, "log", None)
    if log is None or not (record.threadName or "").startswith(THREAD_PREFIX):
        return True
    log.last = record.getMessage()
    return False
