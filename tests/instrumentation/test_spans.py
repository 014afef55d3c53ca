"""The spans of runs and steps, and the trace they belong to."""

from __future__ import annotations

from tests.support.process import run, succeed
from tests.support.sink import Sink

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_names_kinds_and_parents(sink: Sink) -> None:
    """A run is `batch_job.<name>`, a step `batch_step.<name>` inside; both INTERNAL, and library spans nest in them."""
    succeed(
        """
        import batchtel
        from opentelemetry import trace

        with batchtel.job("spans", type="etl") as job:
            with batchtel.step("query") as step:
                with trace.get_tracer("library").start_as_current_span("SELECT"):
                    with batchtel.step("inner"):
                        pass
            with batchtel.step("after"):
                pass
            assert job.trace_id == format(trace.get_current_span().get_span_context().trace_id, "032x")
        assert not trace.get_current_span().get_span_context().is_valid
        """,
        sink,
    )
    names = ["batch_job.spans", "batch_step.query", "SELECT", "batch_step.inner", "batch_step.after"]
    job, query, select, inner, after = (sink.span(name) for name in names)
    assert len(sink.spans()) == 5
    assert {span.kind for span in sink.spans()} == {"INTERNAL"}
    assert {span.trace_id for span in sink.spans()} == {job.trace_id}
    assert [job.parent_id, query.parent_id, select.parent_id, inner.parent_id, after.parent_id] == [
        "",
        job.span_id,
        query.span_id,
        select.span_id,
        job.span_id,
    ]
    assert {span.scope for span in sink.spans()} == {"batchtel", "library"}
    assert {span.status for span in sink.spans() if span.scope == "batchtel"} == {"OK"}


def test_attributes_of_the_user(sink: Sink) -> None:
    """set() puts any kind of value on the span and the audit record, never on a metric, and never in place of ours."""
    finished = run(
        """
        import pathlib, batchtel
        with batchtel.job("attributes") as job:
            job.set({"a.b": 1, "path": pathlib.Path("/x")}, rows=[1, 2], ratio=0.5, ok=True, none=None, huge=10**30)
            job.set({"batch.status": "mine", "job_name": "mine", 7: "seven"})
        """,
        sink,
    )
    assert (finished.code, finished.stdout) == (0, "")
    assert finished.stderr.splitlines() == [
        "set(): batch.status is batchtel's own attribute; it is not changed",
        "set(): job_name is batchtel's own attribute; it is not changed",
    ]
    expected = {
        "a.b": 1,
        "path": "/x",
        "rows": ["1", "2"],
        "ratio": 0.5,
        "ok": True,
        "none": "None",
        "huge": str(10**30),
        "7": "seven",
    }
    for attributes in (sink.span("batch_job.attributes").attributes, sink.event("batch.run.finished").attributes):
        assert expected.items() <= attributes.items()
        assert attributes["batch.status"] == "success"
        assert "job_name" not in attributes
    assert {key for point in sink.points() for key in point.attributes} <= {
        "job_name",
        "job_type",
        "status",
        "error_type",
        "state",
    }


def test_the_parent_process_hands_the_trace_over(sink: Sink) -> None:
    """TRACEPARENT of the environment is the parent of the run; a broken one is none."""
    script = """
        import batchtel
        with batchtel.job("child") as job, batchtel.step("inner"):
            print(job.trace_id)
        """
    finished = run(script, sink, TRACEPARENT=PARENT)
    assert (finished.code, finished.stdout, finished.stderr) == (0, PARENT.split("-")[1] + "\n", "")
    job = sink.span("batch_job.child")
    assert (job.trace_id, job.parent_id) == tuple(PARENT.split("-")[1:3])
    assert sink.span("batch_step.inner").parent_id == job.span_id
    for broken in ("", "00-zz", PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32)):
        sink.requests.clear()
        finished = run(script, sink, TRACEPARENT=broken)
        assert (finished.code, finished.stderr) == (0, "")
        job = sink.span("batch_job.child")
        assert (job.trace_id + "\n", job.parent_id) == (finished.stdout, "")


def test_an_open_span_of_the_job_is_the_parent(sink: Sink) -> None:
    """A run inside the job's own span is that span's child, whatever TRACEPARENT is."""
    succeed(
        """
        import batchtel
        from opentelemetry import trace
        with batchtel.job("first"):
            pass
        with trace.get_tracer("own").start_as_current_span("around"):
            with batchtel.job("second"):
                pass
        """,
        sink,
        TRACEPARENT=PARENT,
    )
    assert sink.span("batch_job.second").parent_id == sink.span("around").span_id


def test_an_existing_provider_is_used(sink: Sink) -> None:
    """The job's own TracerProvider stays the global one, gets our spans, and is flushed at the end by the deadline."""
    finished = run(
        """
        import batchtel
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        with batchtel.job("existing"), batchtel.step("inner"):
            pass
        assert trace.get_tracer_provider() is provider
        assert batchtel.flush()
        print(sorted(span.name for span in exporter.get_finished_spans()))
        """,
        sink,
    )
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.stdout == "['batch_job.existing', 'batch_step.inner']\n"
    assert sink.spans() == []
    assert sink.total("batch.job.completions", status="success") == 1


def test_ours_becomes_the_global_provider(sink: Sink) -> None:
    """Without one, spans that a library makes after the first run go the same way."""
    succeed(
        """
        import batchtel
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        tracer = trace.get_tracer("library made before")
        with batchtel.job("first"):
            with tracer.start_as_current_span("early"):
                pass
        assert type(trace.get_tracer_provider()) is TracerProvider
        """,
        sink,
    )
    assert sink.span("early").parent_id == sink.span("batch_job.first").span_id


def test_the_sampler_of_the_variables_is_honoured(sink: Sink) -> None:
    """OTEL_TRACES_SAMPLER=always_off sends no spans; counts and events are complete all the same."""
    script = """
        import batchtel
        with batchtel.job("unsampled"), batchtel.step("inner"):
            pass
        """
    succeed(script, sink, OTEL_TRACES_SAMPLER="always_off")
    assert sink.spans() == []
    assert sink.total("batch.job.completions", status="success") == 1
    assert sink.event("batch.run.finished").attributes["batch.status"] == "success"


def test_limits_of_attributes_leave_the_identity(sink: Sink) -> None:
    """Limits that a variable sets cut neither the run id nor drop it, and print nothing; others' spans have them."""
    limits = {
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "5",
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "2",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "2",
    }
    succeed(
        """
        import logging, batchtel
        from opentelemetry import trace
        from opentelemetry.sdk.trace import SpanProcessor
        logging.getLogger("limited").addHandler(logging.NullHandler())
        ended = []
        class Listening(SpanProcessor):
            def on_end(self, span):
                ended.append(span.name)
        with batchtel.job("limited") as job:
            trace.get_tracer_provider().add_span_processor(Listening())
            job.records(processed=1)
            logging.getLogger("limited").warning("logged", extra={"own": "v" * 3})
            with batchtel.step("inner") as step:
                step.records(read=1)
            with trace.get_tracer("library").start_as_current_span("SELECT", attributes={"a": "1"}):
                pass
        assert ended == ["batch_step.inner", "SELECT", "batch_job.limited"], ended
        """,
        sink,
        **limits,
    )
    run_id = sink.event("batch.run.finished").attributes["batch.run.id"]
    assert len(run_id) == 36
    for found in (sink.span("batch_job.limited"), sink.span("batch_step.inner"), sink.event("batch.step.finished")):
        assert found.attributes["batch.run.id"] == run_id
    assert [log.attributes["batch.run.id"] for log in sink.logs() if log.body == "logged"] == [run_id]


def test_spans_go_in_whole_batches(sink: Sink) -> None:
    """What ends while a request is on its way waits for its own batch: 3,000 steps are some 6 requests, not 60."""
    succeed(
        """
        import batchtel
        with batchtel.job("many"):
            for _ in range(3_000):
                with batchtel.step("short"):
                    pass
        """,
        sink,
        OTEL_BSP_SCHEDULE_DELAY="60000",
        OTEL_BLRP_SCHEDULE_DELAY="60000",
        BATCHTEL_EXIT_TIMEOUT="20",
    )
    assert len(sink.spans()) == 3_001
    assert len([path for path, _ in sink.requests if path == "/v1/traces"]) < 16
