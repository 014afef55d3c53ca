"""Ways to end x ways to start x states of the collector: what the jobs wrote down is what arrived."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.instrumentation.delivery.ledger import received, written
from tests.support import sink as sinks
from tests.support.process import environment, succeed
from tests.support.sink import Mode, Sink

JOB = Path(__file__).parent / "job.py"
WATCHDOG = 60
"""Seconds after which a job counts as hung; the longest needs 5 on two busy cores."""

EXITS = ["normal", "exception", "sys.exit", "SIGTERM", "SIGINT", "_exit", "_exit without flush", "SIGKILL"]
CELLS = (
    [("main", way) for way in EXITS]
    + [(start, way) for start in ("fork", "fork after use", "fork inside") for way in ("normal", "_exit", "SIGTERM")]
    + [(start, way) for start in ("fork", "spawn", "forkserver") for way in ("sys.exit", "exception")]
    + [
        (start, "normal")
        for start in ("prefork", "Pool", "Pool inside", "Process inside", "executor", "thread", "thread, first run")
    ]
)
SOME = [("main", "normal"), ("main", "SIGTERM"), ("main", "_exit"), ("fork after use", "SIGTERM"), ("Pool", "normal")]

NOT_COVERED = {
    "SIGKILL": "what was counted since the last export is lost with the process: at most 15 s of metrics",
    "_exit without flush": "the same, for no exit handler runs; call batchtel.flush() first",
    "thread, first run": "the first run of a process begins after its main thread has ended: too late to load the SDK",
}
"""Ways to end and to start that lose counts, whatever the collector does; they never make more of them."""

REPEATED: set[Mode] = {"swallow"}
"""States in which a request arrives more than once: the reply was lost, so no sender can see that it had arrived. It
comes with the same times and the same service.instance.id; `aggregation: exact` counts it once, `stock` each time."""


def _run(cell: tuple[str, str], ledger: Path, variables: dict[str, str]) -> None:
    command = [sys.executable, str(JOB), str(ledger), *cell]
    try:
        subprocess.run(command, env=environment(None, variables), capture_output=True, timeout=WATCHDOG, check=False)
    except subprocess.TimeoutExpired as hung:
        raise AssertionError(f"{cell} has not ended within {WATCHDOG} s; it wrote {hung.stderr!r}") from hung


def _run_all(cells: list[tuple[str, str]], ledger: Path, variables: dict[str, str]) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda cell: _run(cell, ledger, variables), cells))


def _variables(url: str, folder: Path) -> dict[str, str]:
    (folder / "host").mkdir(exist_ok=True)
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "TMPDIR": str(folder / "host"),
    }


def _check(sink: Sink, ledger: Path, cells: list[tuple[str, str]], *, repeated: bool) -> None:
    wrote, got = written(ledger), received(sink, repeated=repeated)
    covered = {f"{start}.{way}" for start, way in cells if not NOT_COVERED.keys() & {start, way}}
    assert all(wrote[job] >= 100 for job in covered), f"some jobs did not work: {wrote}"
    assert {job: got[job] for job in covered} == {job: wrote[job] for job in covered}
    assert all(got[job] <= wrote[job] for job in wrote)


def test_while_the_collector_answers(sink: Sink, tmp_path: Path) -> None:
    """Without a spool every way to end and to start delivers everything once, and no file is written."""
    # The machine may be busy; how long an exit may last is another test's matter.
    variables = _variables(sink.url, tmp_path) | {"BATCHTEL_EXIT_TIMEOUT": "20", "OTEL_EXPORTER_OTLP_TIMEOUT": "20"}
    # The socket of a forkserver is in there, whose path may have 107 bytes.
    with tempfile.TemporaryDirectory() as host:
        _run_all(CELLS, tmp_path / "ledger", variables | {"TMPDIR": host})
        assert list(Path(host).iterdir()) == []
    _check(sink, tmp_path / "ledger", CELLS, repeated=True)


@pytest.mark.parametrize("mode", ["unavailable", "hang", "redirect", "swallow"])
def test_spooled_until_the_collector_is_back(sink: Sink, tmp_path: Path, mode: Mode) -> None:
    """With a spool, what a collector did not accept arrives once, by the next run after it is back."""
    sink.mode = mode
    variables = _variables(sink.url, tmp_path) | {
        "BATCHTEL_EXIT_TIMEOUT": "1",
        "BATCHTEL_SPOOL_DIR": str(tmp_path / "spool"),
    }
    _run_all(SOME, tmp_path / "ledger", variables)
    sink.mode = "ok"
    sink.release.set()
    _sweep(variables, tmp_path)
    _check(sink, tmp_path / "ledger", SOME, repeated=mode not in REPEATED)


def test_spooled_while_nothing_listens(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> None:
    """The same where the connection is refused."""
    port = free_ports(1)[0]
    variables = _variables(f"http://127.0.0.1:{port}", tmp_path) | {
        "BATCHTEL_EXIT_TIMEOUT": "1",
        "BATCHTEL_SPOOL_DIR": str(tmp_path / "spool"),
    }
    _run_all(SOME, tmp_path / "ledger", variables)
    with sinks.running(port) as sink:
        _sweep(variables, tmp_path)
        _check(sink, tmp_path / "ledger", SOME, repeated=True)


def _sweep(variables: dict[str, str], folder: Path) -> None:
    assert any((folder / "spool").iterdir())
    # The mark of the outage would let the run that is to sweep end early.
    for mark in (folder / "host").rglob("*.unreachable"):
        mark.unlink()
    succeed("import batchtel\nwith batchtel.job('next'): pass", None, **variables | {"BATCHTEL_EXIT_TIMEOUT": "20"})
    assert list((folder / "spool").iterdir()) == []
