"""Off, or without an endpoint: nothing recorded, nothing loaded, nothing left behind."""

from __future__ import annotations

from pathlib import Path

from tests.support.process import run, succeed
from tests.support.sink import Sink

JOB = """
    import asyncio, logging, os, sys, threading, batchtel
    with batchtel.job("quiet", type="etl") as job:
        with batchtel.step("inner") as step:
            step.records(read=1)
            step.failed_record(1, "no")
        job.records(processed=1)
        job.quality(1.0, schema_version="1")
        job.set(a=1)
        job.failed_record(2, ValueError("no"))
        assert (job.trace_id, batchtel.flush()) == ("", True)
    loaded = [name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "grpc", "requests", "google")]
    assert loaded == [], loaded
    assert threading.enumerate() == [threading.main_thread()]
    assert not [name for name in os.environ if name.startswith("BATCHTEL_OPEN")]
    """

NO_ENDPOINT = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is not set, so the runs of this process are not recorded; set it to the collector, "
    "for example http://127.0.0.1:4318, or set OTEL_SDK_DISABLED=true to turn batchtel off without this warning\n"
)


def test_no_endpoint_is_one_warning() -> None:
    """Without an endpoint nothing of OpenTelemetry is loaded, no thread runs, and one line names the variable."""
    finished = run(JOB)
    assert (finished.code, finished.stdout, finished.stderr) == (0, "", NO_ENDPOINT)


def test_disabled_is_silent(sink: Sink) -> None:
    """OTEL_SDK_DISABLED=true logs nothing at all, whatever else is wrong, and sends nothing."""
    succeed(JOB, None, OTEL_SDK_DISABLED="true")
    succeed(JOB, None, OTEL_SDK_DISABLED="TRUE", BATCHTEL_EXIT_TIMEOUT="soon")
    complaints = """
        import batchtel
        with batchtel.step("outside"):
            pass
        with batchtel.job("new\\nline") as job:
            job.records(processed=-1)
            job.quality(7)
            job.set({"batch.status": "x"})
        """
    succeed(complaints, sink, OTEL_SDK_DISABLED="true")
    assert sink.headers == []


def test_one_signal_alone(sink: Sink) -> None:
    """With the endpoint of one signal only that one is sent."""
    script = """
        import batchtel
        with batchtel.job("single"), batchtel.step("inner"):
            pass
        """
    for signal in ("traces", "metrics", "logs"):
        sink.requests.clear()
        variable = f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"
        succeed(
            script,
            None,
            **{variable: f"{sink.url}/v1/{signal}", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"},
        )
        assert {path for path, _ in sink.requests} == {f"/v1/{signal}"}


def test_nothing_stays(sink: Sink, tmp_path: Path) -> None:
    """The process ends although our threads live, no file is written, and fork and environment are as before."""
    succeed(
        """
        import os, sys, threading, batchtel
        os.chdir(sys.argv[1])
        os.environ["HOME"] = os.environ["TMPDIR"] = os.environ["XDG_CACHE_HOME"] = sys.argv[1]
        before = dict(os.environ)
        with batchtel.job("traceless"):
            pass
        assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
        assert dict(os.environ) == before
        """,
        sink,
        str(tmp_path),
    )
    assert list(tmp_path.rglob("*")) == []


def test_no_environment_name_is_one_warning(sink: Sink) -> None:
    """deployment.environment.name is never guessed: unset, one line names the variable to set."""
    finished = run(
        """
        import batchtel
        for _ in range(2):
            with batchtel.job("somewhere"):
                pass
        """,
        sink,
        OTEL_RESOURCE_ATTRIBUTES="",
    )
    assert (finished.code, finished.stdout) == (0, "")
    assert finished.stderr == (
        "deployment.environment.name is not set, so production and test look the same in the metrics; "
        "set OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=production\n"
    )
    assert len(sink.spans()) == 2
    assert all("deployment.environment.name" not in span.resource for span in sink.spans())


def test_a_forked_child_sends_only_its_own(sink: Sink) -> None:
    """A fork inside a run counts what it does itself, once, and its end is not the end of the run."""
    succeed(
        """
        import os, batchtel
        with batchtel.job("forking") as job:
            job.records(processed=1)
            if (child := os.fork()) == 0:
                try:
                    job.records(processed=10)
                    with batchtel.step("in_child"):
                        pass
                    batchtel.flush()
                finally:
                    os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        """,
        sink,
    )
    assert sink.total("batch.job.runs.started", job_name="forking") == 1
    assert sink.total("batch.job.completions", job_name="forking") == 1
    assert sink.total("batch.job.records.processed", job_name="forking") == 11
    assert sink.total("batch.step.completions", step_name="in_child") == 1
    assert sink.span("batch_step.in_child").parent_id == sink.span("batch_job.forking").span_id
    assert len(sink.events("batch.run.finished")) == 1
