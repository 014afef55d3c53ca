"""The spool: what is in it, who sends it, and what it may grow to."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from batchtel.export.spool import Spool
from batchtel.export.undelivered import Undelivered, sentence
from tests.instrumentation.delivery.ledger import received
from tests.instrumentation.delivery.test_spool_command import spool
from tests.instrumentation.test_protocol import CONFIGURATION
from tests.instrumentation.ways_in.command import call, wrapped
from tests.support.process import reported, run, start, succeed
from tests.support.program import Program
from tests.support.sink import Sink

JOB = """
    import sys, batchtel
    with batchtel.job("spooled") as run, batchtel.step("only"):
        run.records(processed=int(sys.argv[1]))
    """


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """A spool, and a host's temporary folder of its own."""
    (tmp_path / "host").mkdir()
    return {
        "BATCHTEL_SPOOL_DIR": str(tmp_path / "spool"),
        "BATCHTEL_EXIT_TIMEOUT": "0.5",
        "TMPDIR": str(tmp_path / "host"),
    }


def test_nothing_is_written_while_all_is_well(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """Neither the spool nor the temporary folder has a file after a delivered run."""
    succeed(JOB, sink, "5", **variables | {"BATCHTEL_EXIT_TIMEOUT": "20"})
    assert not (tmp_path / "spool").exists()
    assert list((tmp_path / "host").iterdir()) == []


def test_files_are_private(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """The folder has mode 0700 and each file 0600; no unfinished file stays."""
    sink.mode = "unavailable"
    run(JOB, sink, "5", **variables)
    folder = tmp_path / "spool"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = sorted(folder.iterdir())
    assert {file.name.split(".", 1)[1] for file in files} == {"traces.binpb", "metrics.binpb", "logs.binpb"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_real_collector_accepts_the_files(
    sink: Sink,
    tmp_path: Path,
    variables: dict[str, str],
    collector_program: Path,
    free_ports: Callable[[int], list[int]],
) -> None:
    """`batchtel spool send` hands each file to a collector, which passes on ids, times and counts as they were."""
    sink.mode = "unavailable"
    run(JOB, sink, "5", **variables | {"BATCHTEL_EXIT_TIMEOUT": "3"})
    sink.mode = "ok"
    grpc, http, health = free_ports(3)
    configuration = tmp_path / "collector.yaml"
    configuration.write_text(CONFIGURATION.format(grpc=grpc, http=http, health=health, sink=sink.url))
    program: list[str | Path] = [collector_program, "--config", configuration]
    with Program(program, tmp_path / "collector.log", f"http://127.0.0.1:{health}"):
        variables = {
            "BATCHTEL_SPOOL_DIR": str(tmp_path / "spool"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{http}",
        }
        assert spool(None, "send", **variables).returncode == 0
    assert sink.total("batch.job.records.processed") == 5
    job, step = sink.span("batch_job.spooled"), sink.span("batch_step.only")
    assert (step.trace_id, step.parent_id) == (job.trace_id, job.span_id)
    assert sink.event("batch.run.finished").trace_id == job.trace_id
    refused = dict(sink.refused)
    sent = dict(sink.requests)
    assert refused["/v1/traces"] == sent["/v1/traces"]


def test_each_file_is_one_request(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """A file is what the collector would have received, as protobuf, with the data of the job in it."""
    sink.mode = "unavailable"
    run(JOB, sink, "5", **variables)

    def contents(signal: str) -> list[bytes]:
        return [file.read_bytes() for file in (tmp_path / "spool").glob(f"*.{signal}.binpb")]

    spans = [ExportTraceServiceRequest.FromString(content).resource_spans[0] for content in contents("traces")]
    names = {span.name for resource in spans for span in resource.scope_spans[0].spans}
    assert names == {"batch_job.spooled", "batch_step.only"}
    assert all(ExportMetricsServiceRequest.FromString(content).resource_metrics for content in contents("metrics"))
    assert all(ExportLogsServiceRequest.FromString(content).resource_logs for content in contents("logs"))
    assert len(contents("metrics")) >= 1 <= len(contents("logs"))


def test_the_last_line_names_where_the_data_is(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """It names the run and the folder, and how much is in it, whatever came before."""
    sink.mode = "unavailable"
    before, fate = reported(run(JOB, sink, "5", **variables).stderr)
    assert len(before) == 1
    assert re.fullmatch(
        rf"spooled in {tmp_path}/spool: 2 spans, 3 log records and \d+ metric exports, for the next run or "
        "`batchtel spool send` to send",
        fate,
    )


UNREACHED = {
    "a CA file that is not there": {"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"},
    "a client certificate that is not there": {
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/nowhere/client.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/nowhere/client.key",
    },
    "a proxy that is not there": {"HTTPS_PROXY": "http://127.0.0.1:1"},
    "an address without a scheme": {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
    "an unknown protocol": {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/yaml"},
    "a host that is none": {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.invalid:4318"},
}


@pytest.mark.parametrize("reason", UNREACHED)
def test_what_never_reached_the_collector_is_kept(
    sink: Sink, tmp_path: Path, variables: dict[str, str], reason: str
) -> None:
    """Whatever keeps a request from the collector, it is in the spool, and a run with the right settings sends it."""
    wrong = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url.replace("http:", "https:"), **UNREACHED[reason]}
    finished = run(JOB, sink, "5", **variables | wrong)
    assert finished.code == 0
    assert "Traceback" not in finished.stderr
    assert " refuses " not in finished.stderr
    _, fate = reported(finished.stderr)
    assert fate.startswith(f"spooled in {tmp_path}/spool: 2 spans, "), finished.stderr
    for mark in (tmp_path / "host").rglob("*.unreachable"):
        mark.unlink()
    succeed(JOB, sink, "7", **variables | {"BATCHTEL_EXIT_TIMEOUT": "20"})
    assert list((tmp_path / "spool").iterdir()) == []
    assert received(sink, repeated=True)["spooled"] == 12


def test_what_is_refused_for_its_credentials_is_kept(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """A 401 is no fault of the data: it waits for the right token, through runs that have the wrong one, too."""
    sink.mode = "unauthorized"
    for _ in range(2):
        before, fate = reported(run(JOB, sink, "5", **variables | {"BATCHTEL_EXIT_TIMEOUT": "5"}).stderr)
        assert fate.startswith(f"spooled in {tmp_path}/spool: 2 spans, ")
        (warning,) = before
        assert warning.startswith(f"{sink.url}/v1/")
        assert warning.endswith(" refuses telemetry for good, so it is kept in the spool: HTTP 401 Unauthorized")
    sink.mode = "ok"
    succeed(JOB, sink, "7", **variables | {"BATCHTEL_EXIT_TIMEOUT": "20"})
    assert list((tmp_path / "spool").iterdir()) == []
    assert received(sink, repeated=True)["spooled"] == 17


def test_a_command_sends_what_earlier_runs_have_spooled(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """`batchtel run` leaves nothing of the spool, as a job in Python does."""
    sink.mode = "unavailable"
    for _ in range(3):
        run(JOB, sink, "5", **variables)
    assert len(list((tmp_path / "spool").iterdir())) >= 9
    sink.mode = "ok"
    for mark in (tmp_path / "host").rglob("*.unreachable"):
        mark.unlink()
    finished = call(wrapped("true"), sink, variables | {"BATCHTEL_EXIT_TIMEOUT": "20"})
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert list((tmp_path / "spool").iterdir()) == []
    assert received(sink, repeated=True)["spooled"] == 15


def test_processes_share_the_work(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """Four processes that start at once send 20 files once each, and leave none."""
    sink.mode = "unavailable"
    run(JOB, sink, "1", **variables)
    metrics = next((tmp_path / "spool").glob("*.metrics.binpb"))
    template = metrics.read_bytes()
    for number in range(20):
        request = ExportMetricsServiceRequest.FromString(template)
        for metric in request.resource_metrics[0].scope_metrics[0].metrics:
            for point in getattr(metric, str(metric.WhichOneof("data"))).data_points:
                point.time_unix_nano += number  # another time, another point
        (tmp_path / "spool" / f"{number:03}-1-1.metrics.binpb").write_bytes(request.SerializeToString())
    metrics.unlink()
    sink.mode = "ok"
    for mark in (tmp_path / "host").rglob("*.unreachable"):
        mark.unlink()
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(succeed, JOB, sink, "0", **variables | {"BATCHTEL_EXIT_TIMEOUT": "20"}) for _ in range(4)]
        for job in jobs:
            job.result()
    assert received(sink, repeated=True)["spooled"] == received(sink)["spooled"] == 20
    assert list((tmp_path / "spool").iterdir()) == []


def test_spooled_is_not_carried(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """A process that goes on after a flush that failed sends what it spooled itself, once, when it can."""
    sink.mode = "unavailable"
    script = """
        import sys, batchtel
        with batchtel.job("spooled") as run:
            run.records(processed=5)
            print(batchtel.flush(0.5), flush=True)
            sys.stdin.readline()
            run.records(processed=7)
            print(batchtel.flush(20), flush=True)
        """
    with start(script, sink, **variables | {"BATCHTEL_EXIT_TIMEOUT": "20"}) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "False\n"
        assert list((tmp_path / "spool").glob("*.metrics.binpb"))
        sink.mode = "ok"
        output, _ = process.communicate("\n", timeout=60)
    assert (process.returncode, output) == (0, "True\n")
    assert received(sink, repeated=True)["spooled"] == 12
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_late_reply_removes_the_file(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """What was on its way when a flush gave up is spooled; when its reply comes after all, the file goes."""
    sink.mode = "late"
    script = """
        import sys, batchtel
        with batchtel.job("spooled") as run:
            run.records(processed=5)
        print(batchtel.flush(0.5), flush=True)
        sys.stdin.readline()
        print(batchtel.flush(20), flush=True)
        """
    with start(script, sink, **variables | {"BATCHTEL_EXIT_TIMEOUT": "20"}) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "False\n"
        assert list((tmp_path / "spool").glob("*.metrics.binpb"))
        sink.mode = "ok"
        sink.release.set()
        output, _ = process.communicate("\n", timeout=60)
    assert (process.returncode, output) == (0, "True\n")
    assert received(sink, repeated=True)["spooled"] == 5
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_oldest_make_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Beyond its size the spool drops its oldest files, of whichever signal, and warns once."""
    big = b"x" * 400_000
    spans, logs = Spool(str(tmp_path), 2**20, "traces"), Spool(str(tmp_path), 2**20, "logs")
    oldest, second = spans.write(big), logs.write(big)
    third = spans.write(big)
    fourth = spans.write(big)
    assert (oldest.exists(), second.exists(), third.exists(), fourth.exists()) == (False, False, True, True)
    assert [record.getMessage() for record in caplog.records] == [
        f"the spool {tmp_path} is full; its oldest files are dropped"
    ]
    assert (spans.dropped, logs.dropped) == (2, 0)
    report = Undelivered("traces")
    report.dropped_files = spans.dropped
    assert sentence([report], "/spool", 2.0) == "dropped from the spool /spool, which is full: 2 requests, the oldest"


def test_a_file_in_work_is_locked(tmp_path: Path) -> None:
    """While one holds a file another does not get it; nor one that is no file, or a link."""
    spool = Spool(str(tmp_path), 2**20, "traces")
    first = spool.write(b"request")
    os.symlink(first, tmp_path / "0-1-1.traces.binpb")
    (tmp_path / "1-1-1.traces.binpb").mkdir()
    with spool.oldest(set()) as held, Spool(str(tmp_path), 2**20, "traces").oldest(set()) as other:
        assert held is not None
        assert (held.path, other) == (first, None)
        held.delete()
    with spool.oldest(set()) as left:
        assert left is None


def test_what_is_no_request_is_dropped(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """A file that is no request is deleted with a warning, and holds up no other."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "0-1-1.metrics.binpb").write_text("{no request")
    finished = run(JOB, sink, "5", **variables | {"BATCHTEL_EXIT_TIMEOUT": "20"})
    assert finished.code == 0
    assert "0-1-1.metrics.binpb is no request of OTLP, so it is deleted" in finished.stderr
    assert list((tmp_path / "spool").iterdir()) == []


def test_nothing_is_left_of_what_cannot_be_written(tmp_path: Path) -> None:
    """Where the disk is full, or a file may not become so large, no half of one stays behind."""
    script = """
        import resource, sys
        from batchtel.export.spool import Spool
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            Spool(sys.argv[1], 2**20, "traces").write(b"x" * 100_000)
        except OSError:
            sys.exit(3)
        """
    finished = run(script, None, str(tmp_path))
    assert (finished.code, list(tmp_path.iterdir())) == (3, []), finished.stderr


def test_a_spool_that_cannot_be_written_harms_nothing(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """The job ends as ever, and one warning names the variable and the reason."""
    (tmp_path / "spool").write_text("a file")
    sink.mode = "unavailable"
    finished = run(JOB, sink, "5", **variables)
    assert finished.code == 0
    assert finished.stderr.count("cannot write to the spool BATCHTEL_SPOOL_DIR: ") == 1
