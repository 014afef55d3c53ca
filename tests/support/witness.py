"""What the stores of a stack have of the only run of a job."""

from __future__ import annotations

import time
from collections.abc import Mapping

from batchtel_dashboards import queries
from batchtel_dashboards.stores import Record, Span, Wanted
from batchtel_stack.stack import Stack
from tests.support.polling import until

SECONDS = 60.0
"""How long a signal may need from a job into a store; it needs about 3 s here."""


class Witness:
    """The stores of `stack`, asked about jobs whose process has the service name `service`."""

    def __init__(self, stack: Stack, service: str) -> None:
        stores, self._engine = stack.stores, stack.engine
        self._prometheus, self._logs, self._traces = stores.prometheus, stores.logs[0], stores.traces[0]
        self._service = service
        self._since = time.time() - 60

    def events(self, job: str, name: str) -> list[Mapping[str, str]]:
        """Return the fields of the job's events called `name` that the store of logs has now."""
        return [record.fields for record in self._records(event=name, job=job)]

    def logged(self, job: str, text: str) -> list[Mapping[str, str]]:
        """Return the fields of the job's log records that are `text`, as soon as the store has one."""

        def look() -> list[Mapping[str, str]] | None:
            return [record.fields for record in self._records(job=job) if record.line == text] or None

        return until(f"the log record {text!r} of {job} among the logs", look, SECONDS)

    def event(self, job: str, name: str) -> Mapping[str, str]:
        """Return the fields of the job's only event called `name`, as soon as the store has it."""
        found = until(f"the event {name} of {job} among the logs", lambda: self.events(job, name) or None, SECONDS)
        assert len(found) == 1, found
        return found[0]

    def stored_spans(self, job: str) -> list[Span]:
        """Return the spans of the job's trace that the store has now; an open run has none."""
        return self._traces.trace(self.event(job, "batch.run.started")["trace_id"])

    def spans(self, job: str, name: str) -> list[Span]:
        """Return the spans of the job's trace, as soon as the store has one called `name`."""

        def look() -> list[Span] | None:
            spans = self.stored_spans(job)
            return spans if name in [span.name for span in spans] else None

        return until(f"the span {name} of {job} among the spans", look, SECONDS)

    def span(self, job: str) -> Span:
        """Return the span of the job's run, as soon as the store has it."""
        return next(span for span in self.spans(job, f"batch_job.{job}") if span.name == f"batch_job.{job}")

    def added(self, metric: str, job: str, **labels: str) -> float:
        """Return what the job has added to a counter until now, by Prometheus; the count of a histogram."""
        return self._prometheus.value(
            queries.added(metric, "1h", labels={"job_name": job, **labels}, engine=self._engine)
        )

    def added_by(self, metric: str, *labels: str) -> dict[tuple[str, ...], int]:
        """Return what all jobs have added to a counter until now, by the values of labels; nothing of what is 0."""
        samples = self._prometheus.query(queries.added(metric, "1h", by=labels, engine=self._engine))
        counts = {tuple(sample.labels.get(label, "") for label in labels): round(sample.value) for sample in samples}
        return {key: count for key, count in counts.items() if count}

    def all_events(self, name: str) -> list[Mapping[str, str]]:
        """Return the fields of all events called `name` that the store of logs has now, of whatever job."""
        return [record.fields for record in self._records(event=name)]

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace that the store has now."""
        return self._traces.trace(trace_id)

    def _records(self, *, event: str | None = None, job: str | None = None) -> list[Record]:
        return self._logs.records(Wanted(self._service, event, job), self._since, time.time() + 60)

    def wait_added(self, metric: str, job: str, amount: float, **labels: str) -> None:
        """Return when the job has added at least `amount`, and assert that it is no more."""
        what = f"{amount:g} of {metric} {labels} of {job} in Prometheus"
        seen: list[float] = []

        def look() -> bool | None:
            seen.append(self.added(metric, job, **labels))
            return seen[-1] >= amount or None

        until(what, look, SECONDS, lambda: f"last seen: {seen[-1:]}")
        assert seen[-1] == amount, f"{what}, but {seen[-1]:g}"

    def newest_data(self, job: str) -> float:
        """Return the Unix time of the newest data of the job, as soon as Prometheus has it."""
        query = queries.newest_data({"job_name": job}, engine=self._engine)
        return until(f"{query} in Prometheus", lambda: self._prometheus.value(query) or None, SECONDS)
