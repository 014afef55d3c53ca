"""Airflow's own tracing: where it is on, its trace is the run's, with our spans below its own; else it is not used."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping

import pytest

from batchtel_dashboards.stores import Span, Wanted
from batchtel_stack.stack import Stack
from tests.airflow.hosted.conftest import SERVICE
from tests.airflow.hosted.schedulers import DAG_ID, Played
from tests.support.polling import until

pytestmark = [pytest.mark.airflow, pytest.mark.parametrize("run", ["3.3"], indirect=True)]

Run = Callable[[str], Played]

OURS = {"batch_job.hosted", "batch_step.writes", "batch_step.fails", "batch_step.skips"}


def _carried(played: Played) -> str:
    """Return the trace id that Airflow keeps for the run, which it makes up with tracing on and off."""
    ((carrier,),) = played.airflow.rows("SELECT context_carrier FROM dag_run WHERE run_id = ?", played.run_id)
    return str(_plain(json.loads(carrier))["traceparent"]).split("-")[1]


def _plain(carrier: dict[str, object]) -> dict[str, object]:
    """Return the dictionary in Airflow's serialised form of one."""
    inner = carrier.get("__var", carrier)
    assert isinstance(inner, dict)
    return inner


def _records(stack: Stack, played: Played) -> list[Mapping[str, str]]:
    """Return the fields of the run's log records, as soon as the store has that of its end."""
    (logs,) = stack.stores.logs

    def look() -> list[Mapping[str, str]] | None:
        wanted = Wanted(SERVICE, job=DAG_ID, run_id=played.run_id)
        own = [record.fields for record in logs.records(wanted, time.time() - 3000, time.time() + 60)]
        ended = {fields.get("event_name") for fields in own} >= {"batch.run.finished", "batch.step.finished"}
        return own if ended else None

    return until(f"the events of run {played.run_id}", look, 60)


def _spans(stack: Stack, trace_id: str) -> list[Span]:
    """Return the spans of a trace, as soon as the store has all of ours."""
    (traces,) = stack.stores.traces

    def look() -> list[Span] | None:
        spans = traces.trace(trace_id)
        return spans if {span.name for span in spans} >= OURS else None

    return until(
        f"the spans {', '.join(sorted(OURS))} of trace {trace_id}",
        look,
        60,
        lambda: f"last seen: {[span.name for span in traces.trace(trace_id)]}",
    )


def test_its_trace_is_used(stack: Stack, run: Run) -> None:
    """With tracing on, one trace, Airflow's, has the spans of both: each of ours once, and below Airflow's own."""
    spans = _spans(stack, _carried(run("traced")))
    ours = [span for span in spans if span.name.startswith("batch_")]
    assert sorted(span.name for span in ours) == sorted(OURS)
    assert {span.name: span.span_id for span in ours} == {
        "batch_job.hosted": _span_id("run", DAG_ID, "hosted-traced"),
        **{
            f"batch_step.{name}": _span_id("task", DAG_ID, "hosted-traced", name, "-1", "1")
            for name in ("writes", "fails", "skips")
        },
    }
    parents = {span.span_id: span.name for span in spans}
    assert {span.name: parents[span.parent_id] for span in ours} == {
        "batch_job.hosted": "dag_run.hosted",
        "batch_step.writes": "worker.writes",
        "batch_step.fails": "worker.fails",
        "batch_step.skips": "worker.skips",
    }


def _span_id(*names: str) -> str:
    """Return the span id that each process finds by itself, whoever's tracer makes the span."""
    return hashlib.sha256("\0".join(("batchtel", *names)).encode()).hexdigest()[:16]


def test_log_records_are_in_its_trace(stack: Stack, run: Run) -> None:
    """With tracing on, every event and every log record of the run carries Airflow's trace id."""
    played = run("traced")
    assert {fields["trace_id"] for fields in _records(stack, played)} == {_carried(played)}


def test_its_made_up_trace_is_not_used(stack: Stack, run: Run) -> None:
    """With tracing off, the trace id that Airflow keeps, marked as not recorded, is not used: the trace is our own."""
    played = run("up")
    (trace_id,) = {fields["trace_id"] for fields in _records(stack, played)}
    assert trace_id != _carried(played)
    assert {span.name for span in _spans(stack, trace_id)} == OURS
