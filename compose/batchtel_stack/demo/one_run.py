"""One run in full, by its id: its log records from Loki, and by the trace id in them its spans from Tempo."""

from __future__ import annotations

import time
from dataclasses import dataclass

from batchtel_dashboards import queries
from batchtel_stack.demo.compare import Witnesses
from batchtel_stack.demo.processes import SERVICE
from batchtel_stack.stores import Record, Span


@dataclass(frozen=True)
class OneRun:
    """Everything that is stored of one run."""

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
    def find(cls, witnesses: Witnesses, job: str) -> OneRun:
        """Look up a run of `job`."""
        run_id = min(witnesses.run_ids(job))
        records = witnesses.loki.records(
            queries.events(SERVICE, job=job, run_id=run_id), witnesses.since, time.time() + 60
        )
        trace_ids = [record.fields["trace_id"] for record in records if record.fields.get("trace_id")]
        trace_id = trace_ids[0] if trace_ids else ""
        return cls(run_id, trace_id, records, witnesses.tempo.trace(trace_id) if trace_id else [])
