"""`batchtel spool`: what waits is shown, and sent once, beside an agent or by hand."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.instrumentation.delivery.ledger import received
from tests.instrumentation.ways_in.command import PROGRAMS
from tests.support.polling import until
from tests.support.process import environment, run
from tests.support.sink import Sink

JOB = """
    import batchtel
    with batchtel.job("spooled") as run:
        run.records(processed=5)
    """


def host_with_a_spool(sink: Sink, folder: Path) -> dict[str, str]:
    """Return the variables of a host in `folder` whose spool has the three requests of one run."""
    (folder / "host").mkdir()
    variables = {
        "BATCHTEL_SPOOL_DIR": str(folder / "spool"),
        "BATCHTEL_EXIT_TIMEOUT": "2",
        "TMPDIR": str(folder / "host"),
    }
    sink.mode = "unavailable"
    run(JOB, sink, **variables)
    assert len(list((folder / "spool").iterdir())) == 3
    return variables


@pytest.fixture
def variables(sink: Sink, tmp_path: Path) -> dict[str, str]:
    """The variables of a host whose spool has the three requests of one run."""
    return host_with_a_spool(sink, tmp_path)


COMMAND = [str(PROGRAMS / "batchtel"), "spool"]


def spool(sink: Sink | None, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `batchtel spool` to its end; the collector is `sink`, unless the variables name another."""
    return subprocess.run(
        [*COMMAND, *arguments], env=environment(sink, variables), capture_output=True, text=True, check=False
    )


@contextmanager
def _following(sink: Sink, **variables: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, "send", "--every", "0.2"],
        env=environment(sink, variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_what_waits_is_shown(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """`list` counts the requests of each signal, for people and for programs, and removes nothing."""
    listed = json.loads(spool(None, "list", "--json", **variables).stdout)
    assert listed["signals"] == {"traces": 1, "metrics": 1, "logs": 1}
    assert listed["bytes"] == sum(file.stat().st_size for file in (tmp_path / "spool").iterdir())
    assert spool(None, "list", **variables).stdout.startswith("3 requests (1 traces, 1 metrics, 1 logs; ")


def test_it_is_sent_once(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """`send` sends every request as it was, and leaves none; a second one finds nothing."""
    sink.mode = "ok"
    first = spool(sink, "send", **variables)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("sent 3 requests (1 traces, 1 metrics, 1 logs) from ")
    assert list((tmp_path / "spool").iterdir()) == []
    assert spool(sink, "send", **variables).stdout.startswith("nothing was sent from ")
    assert received(sink, repeated=True)["spooled"] == 5
    assert sink.event("batch.run.finished").trace_id == sink.span("batch_job.spooled").trace_id


@pytest.mark.parametrize(("mode", "code"), [("unavailable", 3), ("unauthorized", 1), ("bad_request", 1)])
def test_what_is_not_accepted_stays(
    sink: Sink, tmp_path: Path, variables: dict[str, str], mode: str, code: int
) -> None:
    """A collector that is away or refuses costs nothing: each request stays, the reason and the exit code show why."""
    sink.mode = mode  # type: ignore[assignment]  # three of its modes
    done = spool(sink, "send", **variables)
    assert done.returncode == code
    assert f"3 requests stay in {tmp_path / 'spool'}:" in done.stderr
    assert sink.url in done.stderr
    assert len(list((tmp_path / "spool").iterdir())) == 3


def test_what_has_no_endpoint_stays(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """What goes nowhere by these variables is reported, and the rest is sent."""
    sink.mode = "ok"
    changed = variables | {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{sink.url}/v1/logs"}
    done = spool(None, "send", **changed)
    assert done.returncode == 1
    assert done.stdout.startswith("sent 1 requests (1 logs) from ")
    assert f"2 requests stay in {tmp_path / 'spool'}:" in done.stderr
    assert "there is no endpoint for metrics: set OTEL_EXPORTER_OTLP_ENDPOINT or" in done.stderr
    assert {file.name.split(".")[1] for file in (tmp_path / "spool").iterdir()} == {"traces", "metrics"}


def test_it_follows_until_it_is_stopped(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """Beside an agent: it waits for the collector, sends what comes later, too, and SIGTERM ends it with 0."""
    with _following(sink, **variables) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert "503" in process.stderr.readline()
        sink.mode = "ok"
        assert process.stdout.readline().startswith("sent 3 requests ")
        sink.mode = "unavailable"
        run(JOB, sink, **variables)
        sink.mode = "ok"

        def empty() -> bool | None:
            return not list((tmp_path / "spool").iterdir()) or None

        until("an empty spool", empty, 30, lambda: str(list((tmp_path / "spool").iterdir())))
        process.terminate()
        assert process.wait(20) == 0
    assert received(sink, repeated=True)["spooled"] == 10


def test_what_is_no_request_stays(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """A file that is no request is named, and keeps no other from being sent."""
    sink.mode = "ok"
    (tmp_path / "spool" / "0-1-1.metrics.binpb").write_text("{no request")
    done = spool(sink, "send", **variables)
    assert done.returncode == 1
    assert "0-1-1.metrics.binpb is no request of OTLP" in done.stderr
    assert [file.name for file in (tmp_path / "spool").iterdir()] == ["0-1-1.metrics.binpb"]


@pytest.mark.parametrize(
    ("arguments", "variables", "error"),
    [
        (["list"], {}, "BATCHTEL_SPOOL_DIR is not set"),
        (["send", "nowhere"], {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "cannot read the spool"),
        (["send", "."], {}, "OTEL_EXPORTER_OTLP_ENDPOINT is not set"),
        (["send", "."], {"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4318"}, "has no scheme"),
    ],
)
def test_wrong_input(arguments: list[str], variables: dict[str, str], error: str) -> None:
    """What is missing is named, and the exit code is 2."""
    done = spool(None, *arguments, **variables)
    assert done.returncode == 2
    assert error in done.stderr
    assert "Traceback" not in done.stderr
