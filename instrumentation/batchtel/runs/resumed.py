"""A run that this process opened before an exec, when it was another program."""

from __future__ import annotations

from typing import Any

from batchtel.base import run_environment
from batchtel.base.opener import trace_parts
from batchtel.base.shared_counts import Tally
from batchtel.base.start import Start
from batchtel.runs.job_run import JobRun
from batchtel.runs.resource_usage import Usage
from batchtel.runs.scope import Scope
from batchtel.telemetry.providers import Telemetry


class ResumedRun(JobRun):
    """The rest of a run: it was started and counted before, and ends here, under the same ids and name."""

    def __init__(self, open_run: run_environment.OpenRun) -> None:
        super().__init__(open_run.job, open_run.type, open_run.run_id, open_run.attempt)
        self._opened_by = open_run.opener
        self._usage_before = Usage(open_run.opener.cpu_seconds, 0)
        if open_run.tally:
            tally = Tally(open_run.tally)
            tally.survive_exec(False)
            self.data.share(tally)

    def begin(self, start: Start | None = None) -> None:
        """Go on with it, from its start."""
        run_environment.resumed()
        trace_id, span_id, _ = trace_parts(self._opened_by.traceparent) or ("", "", "")
        super().begin(Start(self._opened_by.opened, int(trace_id, 16), int(span_id, 16)))

    def _around(self) -> Scope | None:
        return None

    def _parent_context(self, process: Telemetry) -> Any:
        from opentelemetry import trace
        from opentelemetry.context import Context

        trace_id, _, flags = trace_parts(self._opened_by.traceparent) or ("", "", "")
        parent = int(self._opened_by.parent, 16)
        if parent == 0:
            return Context()
        above = trace.SpanContext(int(trace_id, 16), parent, True, trace.TraceFlags(int(flags, 16)))
        return trace.set_span_in_context(trace.NonRecordingSpan(above), Context())

    def _announce(self, process: Telemetry, at: float) -> None:
        """Do nothing: the program before has reported the start."""
