"""The parent trace of a run that starts in this process: that of the parent process, or of the DAG run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchtel.base import run_environment


def parent_context() -> Any:
    """Return the context that a new run belongs to: the current one, else that of the parent process."""
    from opentelemetry import context, trace

    here = context.get_current()
    carrier = _carrier(trace.get_current_span(here))
    if not carrier:
        return here
    from batchtel.telemetry.providers import extracted

    return extracted(carrier, here)


def _carrier(span: Any) -> Mapping[str, str]:
    """Return the trace context for what starts here: the parent's, else that of the DAG run that this is a task of.

    Empty where the current `span` is its parent, or nothing is.
    """
    trace = run_environment.inherited_trace()
    if trace or run_environment.airflow_task() is None:
        return {} if span.get_span_context().is_valid else trace
    return _dag_run(span)


def _dag_run(span: Any) -> dict[str, str]:
    """Return the trace context of the DAG run that the environment names, as a propagator's carrier.

    {} if it names none, or if the current `span` is to be the parent. That is not so of the one which Airflow 3.3 sets
    in every task where it makes no spans itself: no process records it, and it is marked as not sampled.
    """
    from batchtel.runs.airflow_process import makes_spans
    from batchtel.runs.dag_run_ids import of_dag_run

    here, around = run_environment.airflow_task(), span.get_span_context()
    if here is None or (around.is_valid and (span.is_recording() or around.trace_flags.sampled or makes_spans())):
        return {}
    run = of_dag_run(here.dag_id, here.run_id, "")
    return {"traceparent": f"00-{run.trace_id:032x}-{run.span_id:016x}-01"}
