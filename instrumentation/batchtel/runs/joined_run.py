"""Runs that were opened elsewhere: by another process, or by the program that this process was before an exec."""

from __future__ import annotations

from typing import Any

from batchtel.base import run_environment
from batchtel.base.opener import trace_parts
from batchtel.base.shared_counts import Tally
from batchtel.base.start import Start
from batchtel.runs.reporting import PART, WHOLE, Reporting
from batchtel.runs.resource_usage import Usage
from batchtel.runs.run import Run


def joined(
    name: str,
    type: str = "",  # noqa: A002  # the term of users
    run_id: str | None = None,
    attempt: int | None = None,
    *,
    opened_by: run_environment.OpenRun | None = None,
    reporting: Reporting = PART,
) -> Run:
    """Return this process's part in a run that another process has opened, and counts.

    It has no span: what happens here nests under the span of the process that opened the run. What only this process
    recorded of the run is reported at its end, by the event `batch.run.reported`. `opened_by` is the run as it was
    found; that of the environment, if there is one, if not given.
    """
    run = Run(name, type, run_id, attempt, reporting=reporting)
    run.opened_by = opened_by or run_environment.inherited()
    if run.opened_by is not None:
        run.data.join(run.opened_by.tally)
    return run


def resumed(open_run: run_environment.OpenRun) -> Run:
    """Return the rest of a run: it was started and counted before an exec, and ends here, under the same ids."""
    run_environment.resumed()
    run = Run(open_run.job, open_run.type, open_run.run_id, open_run.attempt, reporting=WHOLE._replace(start=False))
    run.usage_before = Usage(open_run.opener.cpu_seconds, 0)
    if open_run.tally:
        tally = Tally(open_run.tally)
        tally.survive_exec(False)
        run.data.share(tally)
    return run


def start_of(open_run: run_environment.OpenRun) -> Start:
    """Return when a resumed run has started, and the ids of its span."""
    trace_id, span_id, _ = trace_parts(open_run.opener.traceparent) or ("", "", "")
    return Start(open_run.opener.opened, int(trace_id, 16), int(span_id, 16))


def parent_of(open_run: run_environment.OpenRun) -> Any:
    """Return the OpenTelemetry context of the parent of a resumed run's span."""
    from opentelemetry import trace
    from opentelemetry.context import Context

    trace_id, _, flags = trace_parts(open_run.opener.traceparent) or ("", "", "")
    parent = int(open_run.opener.parent, 16)
    if parent == 0:
        return Context()
    above = trace.SpanContext(int(trace_id, 16), parent, True, trace.TraceFlags(int(flags, 16)))
    return trace.set_span_in_context(trace.NonRecordingSpan(above), Context())
