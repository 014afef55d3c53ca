"""One run in full, by its id: its log records, and by the trace id in them its spans."""

from __future__ import annotations

import time
from dataclasses import dataclass

from batchtel_dashboards.stores import Logs, Record, Span, Traces, Wanted
from batchtel_stack.demo.compare import Witnesses


@dataclass(frozen=True)
class OneRun:
    """Everything that is stored of one run, and the products that have its records and its spans."""

    logs: str
    traces: str
    run_id: str
    trace_id: str
    records: list[Record]
    spans: list[Span]

    @property
    def ok(self) -> bool:
        """Whether its start and end are there, and a span for each of its steps below that of the run."""
        events = [record.fields.get("event_name") for record in self.records]
        roots = [span for span in self.spans if span.name.startswith("batch_job.")]
        if len(roots) != 1 or events.count("batch.run.started") != 1 or events.count("batch.run.finished") != 1:
            return False
        below = [span for span in self.spans if span.parent_id == roots[0].span_id]
        return len(below) == events.count("batch.step.finished") > 0

    @classmethod
    def find(cls, witnesses: Witnesses, job: str) -> list[OneRun]:
        """Look up a run of `job` in each store of logs, and its spans in each store of traces."""
        run_id, stores = min(witnesses.run_ids(job)), witnesses.stores
        return [cls._in(logs, traces, witnesses, job, run_id) for logs in stores.logs for traces in stores.traces]

    @classmethod
    def _in(cls, logs: Logs, traces: Traces, witnesses: Witnesses, job: str, run_id: str) -> OneRun:
        wanted = Wanted(witnesses.service, job=job, run_id=run_id)
        records = logs.records(wanted, witnesses.since, time.time() + 60)
        trace_id = next((record.fields["trace_id"] for record in records if record.fields.get("trace_id")), "")
        spans = traces.trace(trace_id) if trace_id else []
        return cls(logs.product, traces.product, run_id, trace_id, records, spans)
