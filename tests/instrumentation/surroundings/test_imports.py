"""Jobs that change what an import finds: telemetry neither breaks by it, nor changes what the job finds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from opentelemetry.instrumentation import auto_instrumentation

from tests.instrumentation.ways_in.command import call, instrumented
from tests.support.process import run
from tests.support.sink import Sink

OFTEN = {"BATCHTEL_EXIT_TIMEOUT": "20", "OTEL_BLRP_SCHEDULE_DELAY": "10", "OTEL_METRIC_EXPORT_INTERVAL": "10"}
"""Exports meanwhile, as often as it can."""


@pytest.mark.compatible(
    "Libraries",
    "`patch.dict(sys.modules)` of unittest.mock around a job or a step",
    "all spans, log records and counts",
)
def test_modules_that_are_removed(sink: Sink) -> None:
    """What was imported within the patch is gone after it, and everything for a moment at its end."""
    finished = run(
        """
        import logging, sys, time, batchtel
        from unittest import mock

        logging.basicConfig(stream=open("/dev/null", "w"))
        for number in range(9):
            with mock.patch.dict(sys.modules, {"cx_Oracle": mock.MagicMock()}):
                with batchtel.job("mocked") as job:
                    job.records(processed=1)
                    logging.warning("row")
                    time.sleep(0.05)
        print("ended")
        """,
        sink,
        **OFTEN,
    )
    assert (finished.code, finished.stdout, finished.stderr) == (0, "ended\n", "")
    assert sink.total("batch.job.completions", status="success") == 9
    assert sink.total("batch.job.records.processed") == 9
    assert len([span for span in sink.spans() if span.name == "batch_job.mocked"]) == 9
    assert len([log for log in sink.logs() if log.body == "row"]) == 9


@pytest.mark.compatible("Libraries", "pyfakefs around a job", "all spans, log records and counts")
def test_a_file_system_that_is_faked(sink: Sink) -> None:
    """The file system that telemetry is imported from is not there, and the modules are reloaded afterwards."""
    finished = run(
        """
        import time, batchtel
        from pyfakefs.fake_filesystem_unittest import Patcher

        with Patcher() as patcher:
            patcher.fs.create_file("/data/in.csv", contents="a\\nb\\n")
            with batchtel.job("faked") as job:
                job.records(processed=len(open("/data/in.csv").readlines()))
                time.sleep(0.5)
        print("ended")
        """,
        sink,
        **OFTEN,
    )
    assert (finished.code, finished.stdout, finished.stderr) == (0, "ended\n", "")
    assert sink.total("batch.job.completions", status="success") == 1
    assert sink.total("batch.job.records.processed") == 2


@pytest.mark.compatible("Libraries", "`warnings.catch_warnings` and warnings as errors", "the run, with its exit code")
@pytest.mark.parametrize("action", ["always", "error"])
def test_warnings_that_are_caught_meanwhile(sink: Sink, tmp_path: Path, action: str) -> None:
    """No warning of what telemetry imports reaches the job, whichever filter it has in its first second."""
    (tmp_path / "job.py").write_text(
        f"""
import time, warnings
end = time.monotonic() + 1
while time.monotonic() < end:
    with warnings.catch_warnings():
        warnings.simplefilter({action!r})
        time.sleep(0.01)
raise SystemExit(3)
"""
    )
    finished = call(instrumented("job.py"), sink, {"BATCHTEL_JOB": "job"}, cwd=tmp_path)
    assert (finished.returncode, finished.stdout, finished.stderr) == (3, b"", b"")
    assert sink.total("batch.job.completions", status="failure") == 1


@pytest.mark.compatible(
    "Places",
    "a file beside the script with the name of a module of Python or of a library",
    "the run, with its exit code",
)
@pytest.mark.parametrize("way", ["script", "module"])
@pytest.mark.parametrize("name", ["http", "requests", "google", "gzip", "chardet", "rows"])
def test_a_file_beside_the_script(sink: Sink, tmp_path: Path, name: str, way: str) -> None:
    """It is executed where the job imports it, then alone, and the job gets its own."""
    (tmp_path / f"{name}.py").write_text("import sys; sys.stderr.write('imported\\n')\nOWN = True\n")
    job = tmp_path / "job.py"
    arguments = ["job.py"] if way == "script" else ["-m", "job"]
    for text, seen in ((f"import {name}; print({name}.OWN)", "imported\n"), ("print(True)", "")):
        job.write_text(f"import sys, time\ntime.sleep(0.3)\n{text}\nsys.exit(3)\n")
        plain = call([sys.executable, *arguments], None, cwd=tmp_path)
        assert (plain.returncode, plain.stdout, plain.stderr.decode()) == (3, b"True\n", seen)
        finished = call(instrumented(*arguments), sink, {"BATCHTEL_JOB": "job"}, cwd=tmp_path)
        assert (finished.returncode, finished.stdout, finished.stderr) == (3, plain.stdout, plain.stderr)
    assert sink.total("batch.job.completions", status="failure") == 2


@pytest.mark.compatible("Libraries", "responses, mocks of HTTP", "all; exports are neither counted nor answered")
@pytest.mark.parametrize("way", ["code", "instrumented"])
def test_http_that_is_mocked(sink: Sink, tmp_path: Path, way: str) -> None:
    """The calls that a mock counts are the job's, and what is exported meanwhile reaches the collector."""
    block = "import batchtel\nwith batchtel.job('job'):" if way == "code" else "if True:"
    (tmp_path / "job.py").write_text(
        f"""
import logging, time, requests, responses
{block}
    with responses.RequestsMock() as mocked:
        mocked.get("http://api.example/x", json={{"a": 1}})
        print(requests.get("http://api.example/x").json())
        for _ in range(20):
            logging.getLogger("load").warning("row")
            time.sleep(0.02)
        print(len(mocked.calls))
"""
    )
    command = instrumented("job.py") if way == "instrumented" else [sys.executable, "job.py"]
    finished = call(command, sink, {"BATCHTEL_JOB": "job", **OFTEN}, cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (0, b"{'a': 1}\n1\n")
    assert finished.stderr == b"row\n" * 20
    assert len([log for log in sink.logs() if log.body == "row"]) == 20


@pytest.mark.parametrize("way", ["c", "script"])
def test_a_current_folder_that_is_gone(sink: Sink, tmp_path: Path, way: str) -> None:
    """A program that variables alone instrument, as the operator of Kubernetes does, runs as without us."""
    script = tmp_path / "job.py"
    script.write_text("import sys; sys.exit(3)")
    program = [sys.executable, str(script)] if way == "script" else [sys.executable, "-c", "import sys; sys.exit(3)"]
    in_gone = ["sh", "-c", 'mkdir "$0" && cd "$0" && rmdir "$0" && exec "$@"', str(tmp_path / "gone")]
    variables = {"BATCHTEL_JOB": "job", "PYTHONPATH": str(Path(auto_instrumentation.__file__).parent)}
    finished = call([*in_gone, *program], sink, variables)
    assert finished.returncode == 3
    # With `-c` there, CPython 3.13.0 raises SystemError for each attribute that a module lacks, also in imports: the
    # export fails once, and the report of it is correct.
    is_faulty = way == "c" and call([*in_gone, sys.executable, "-c", "import http.client"], None).returncode != 0
    assert finished.stderr == b"" or (is_faulty and b"SystemError" in finished.stderr)
    assert sink.total("batch.job.completions", status="failure") == 1


def test_folders_with_names_of_packages(sink: Sink, tmp_path: Path) -> None:
    """Data in `google/` or `grpc/` hides no package, and none is imported twice."""
    for name in ("google", "grpc", "requests", "http"):
        (tmp_path / name).mkdir()
    (tmp_path / "job.py").write_text(
        """
import time
time.sleep(0.3)
import google.protobuf.message, http.client, requests
from google.protobuf import struct_pb2
raise SystemExit(3)
"""
    )
    finished = call(instrumented("job.py"), sink, {"BATCHTEL_JOB": "job", **OFTEN}, cwd=tmp_path)
    assert (finished.returncode, finished.stdout, finished.stderr) == (3, b"", b"")
    assert sink.total("batch.job.completions", status="failure") == 1
