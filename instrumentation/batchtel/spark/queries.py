"""Batches of streaming queries as runs, by StreamingQueryListener, which Spark calls in a thread of the driver.

https://spark.apache.org/docs/latest/streaming/apis-on-dataframes-and-datasets.html#reporting-metrics-programmatically-using-asynchronous-apis
"""

from __future__ import annotations

import contextvars
import re
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from batchtel.base.calls import public
from batchtel.base.guard import harmless, warn_once
from batchtel.base.identity import UNKNOWN, bounded
from batchtel.base.outcome import Outcome
from batchtel.base.start import Start
from batchtel.base.values import cut
from batchtel.runs import unrecorded
from batchtel.spark import observations
from batchtel.spark.names import job_name

SECONDS_OF_SPARK: Final = 1_000
"""Milliseconds, Spark's unit, in a second."""


class Query(NamedTuple):
    """A query that runs: its name, its id, which a restart from a checkpoint keeps, its last batch and its end."""

    name: str
    id: str
    batch: int
    ended: float


class Batch(NamedTuple):
    """A batch of a query: its start, Unix time in s, its seconds, how it ended, the rows read, what was observed."""

    began: float
    seconds: float
    outcome: Outcome
    rows: int | None = None
    observed: Sequence[tuple[str, Any]] = ()


@public(None, call="batchtel.spark.follow_queries(spark)")
def follow_queries(spark: Any, type: str = "") -> None:  # noqa: A002  # as in `job`
    """Record each batch of the streaming queries that begin from here on as a run.

    The name of a query is the job, that of the application for a query without one. The run id is the query's id and
    the number of the batch, so a batch that is repeated after a restart is the same run. Rows are records processed,
    and progress. PySpark calls back in threads of its own, which it starts here and ends with the session.

    Args:
        spark: The SparkSession of this driver, or one of Spark Connect.
        type: Kind of the jobs, as in `job`.
    """
    if unrecorded.is_all():
        return
    try:
        from pyspark.sql.streaming import StreamingQueryListener

        streams, application = spark.streams, str(spark.conf.get("spark.app.name"))
    except Exception:
        warn_once("spark:queries", "follow_queries(): %.60r is no SparkSession, so no query is recorded", spark)
        return

    class Listener(StreamingQueryListener):  # type: ignore[misc,unused-ignore]
        """Reports what it is called with."""

        def onQueryStarted(self, event: Any) -> None:  # noqa: N802
            batches.started(event)

        def onQueryProgress(self, event: Any) -> None:  # noqa: N802
            batches.progressed(event.progress)

        def onQueryIdle(self, event: Any) -> None:  # noqa: N802
            pass

        def onQueryTerminated(self, event: Any) -> None:  # noqa: N802
            batches.terminated(event)

    batches = Batches(application, type)
    streams.addListener(Listener())


class Batches:
    """Reports the batches of all queries of one session; `application` names queries without a name."""

    def __init__(self, application: str, type: str) -> None:  # noqa: A002  # as in `job`
        self._application = application
        self._type = type
        self._queries: dict[str, Query] = {}

    @harmless(None)
    def started(self, event: Any) -> None:
        """Keep that a query has started."""
        self._queries[str(event.runId)] = Query(
            job_name(event.name or self._application), str(event.id), -1, time.time()
        )

    @harmless(None)
    def progressed(self, progress: Any) -> None:
        """Report the batch of a query that has ended; Spark also reports a query that waits, by its last batch."""
        run_id, number = str(progress.runId), int(progress.batchId)
        name = job_name(progress.name or self._application)
        query = self._queries.get(run_id) or Query(name, str(progress.id), -1, time.time())
        if number <= query.batch:
            return
        began = datetime.fromisoformat(progress.timestamp).timestamp()
        seconds = progress.batchDuration / SECONDS_OF_SPARK
        self._queries[run_id] = query = query._replace(batch=number, ended=began + seconds)
        self._report(query, Batch(began, seconds, Outcome("success"), int(progress.numInputRows), _observed(progress)))

    @harmless(None)
    def terminated(self, event: Any) -> None:
        """Report the batch in which a query has failed."""
        query = self._queries.pop(str(event.runId), None)
        if query is None or not event.exception:
            return
        text = str(event.exception)
        found = re.match(r"[\w.$]*?(\w+)(?=[:\s]|$)", text)
        kind = bounded(found[1]) if found else UNKNOWN
        outcome = Outcome("failure", kind, reason=cut(text))
        seconds = max(0.0, time.time() - query.ended)
        self._report(query._replace(batch=query.batch + 1), Batch(query.ended, seconds, outcome))

    def _report(self, query: Query, batch: Batch) -> None:
        # The thread is PySpark's: the run is none that code in it belongs to.
        contextvars.copy_context().run(self._reported, query, batch)

    def _reported(self, query: Query, batch: Batch) -> None:
        from opentelemetry.context import Context

        from batchtel.runs.reporting import WHOLE
        from batchtel.runs.run import Run
        from batchtel.runs.scope import Scope
        from batchtel.telemetry.spans import RandomIds

        ids, reporting = RandomIds(), WHOLE._replace(heartbeat=False, flush="soon")
        run = Run(query.name, self._type, f"{query.id}-{query.batch}", reporting=reporting)
        scope = Scope(run)
        # A trace of its own: that of the application would grow as long as the query runs.
        start = Start(int(batch.began * 1e9), ids.generate_trace_id(), ids.generate_span_id())
        scope.begin(start, parent=Context)
        run.count(batch.rows, None)
        run.advance(batch.rows)
        run.description.put(batch.observed, "observe()")
        scope.close(batch.outcome, batch.seconds)


@harmless(())
def _observed(progress: Any) -> Sequence[tuple[str, Any]]:
    """Return the metrics that `observe()` has observed in a batch, as attributes."""
    rows = (progress.observedMetrics or {}).items()
    return [pair for name, row in rows for pair in observations.attributes(name, row.asDict().items())]
