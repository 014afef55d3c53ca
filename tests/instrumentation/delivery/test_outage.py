"""The mark of an outage: the next processes do not wait for a collector that did not answer a moment ago."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from batchtel.export.outage_marker import FRESH, LONG, Outage
from tests.support.process import reported, run, start, succeed
from tests.support.sink import Sink

JOB = "import batchtel\nwith batchtel.job('brief'): pass"
URL = "http://127.0.0.1:4318"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host's temporary folder, empty."""
    (tmp_path / "host").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "host"))
    return tmp_path / "host"


def test_the_next_process_is_spared_the_wait(sink: Sink, host: Path) -> None:
    """After one process waited for a hanging collector the next, with 30 s to wait, ends long before; then it heals."""
    sink.mode = "hang"
    # Longer than the imports of a busy machine: only a request on its way sets the mark.
    run(JOB, sink, BATCHTEL_EXIT_TIMEOUT="5")
    marks = list(host.rglob("*.unreachable"))
    assert len(marks) == 1
    assert (marks[0].stat().st_mode & 0o777, marks[0].parent.stat().st_mode & 0o777) == (0o600, 0o700)
    finished = run(JOB, sink, BATCHTEL_EXIT_TIMEOUT="30", OTEL_EXPORTER_OTLP_TIMEOUT="30")
    assert finished.code == 0
    _assert_lost(finished.stderr, sink, 0.5)
    assert finished.seconds < 20
    sink.mode = "ok"
    script = """
        import batchtel
        with batchtel.job("back"):
            pass
        assert batchtel.flush(20)
        """
    succeed(script, sink)
    assert list(host.rglob("*.unreachable")) == []


def test_a_spared_process_does_not_renew_the_mark(sink: Sink, host: Path) -> None:
    """Who waits briefly because of a mark has learnt nothing about the collector, so the mark ages on."""
    Outage(sink.url).mark()
    mark = next(host.rglob("*.unreachable"))
    os.utime(mark, (time.time() - 5,) * 2)
    before = mark.stat().st_mtime_ns
    sink.mode = "hang"
    run(JOB, sink, OTEL_EXPORTER_OTLP_TIMEOUT="30")
    assert mark.stat().st_mtime_ns == before


def test_a_short_flush_sets_no_mark(sink: Sink, host: Path) -> None:
    """A process that waited less than it may at its end, as between two pokes of a sensor, marks no outage."""
    sink.mode = "hang"
    script = """
        import os
        import batchtel
        with batchtel.job("brief"):
            pass
        assert not batchtel.flush(0.5)
        os._exit(0)
        """
    succeed(script, sink, BATCHTEL_EXIT_TIMEOUT="5", OTEL_EXPORTER_OTLP_TIMEOUT="30")
    assert list(host.rglob("*")) == []


def test_a_long_outage_loses_no_count(sink: Sink, host: Path) -> None:
    """However often metrics are collected while the collector accepts nothing, their sums arrive when it is back."""
    sink.mode, sink.retry_after = "unavailable", "3600"
    script = """
        import sys, batchtel
        with batchtel.job("patient") as job:
            for _ in range(60):
                job.records(processed=1)
                assert not batchtel.flush(20)
            print("away", flush=True)
            sys.stdin.readline()
            job.records(processed=1)
        assert batchtel.flush(20)
        """
    with start(script, sink) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "away\n"
        sink.mode = "ok"
        _, errors = process.communicate("\n", timeout=60)
    assert process.returncode == 0, errors
    assert errors.startswith("cannot send telemetry to ")
    before, fate = reported(errors)
    assert (len(before), fate) == (1, "everything is delivered")
    assert sink.total("batch.job.records.processed") == 61
    assert sink.total("batch.job.completions", status="success") == 1


def test_what_is_lost_at_the_end_is_reported(sink: Sink, host: Path) -> None:
    """A collector that hangs costs one line on stderr, for all signals together."""
    sink.mode = "hang"
    _assert_lost(run(JOB, sink, BATCHTEL_EXIT_TIMEOUT="1").stderr, sink, 1)


def _assert_lost(errors: str, sink: Sink, seconds: float) -> None:
    before, fate = reported(errors)
    assert before == []
    assert fate.startswith("lost: 1 span, 2 log records and 2 metric exports, "), fate
    assert fate.endswith(
        f" not acknowledged by {sink.url} within {seconds:g} s; set BATCHTEL_SPOOL_DIR to a folder that keeps them for "
        "the next run"
    )


def test_a_mark_ages_and_belongs_to_one_collector(host: Path) -> None:
    """It counts for 30 s, from now, for one host and port, whatever the path and the user in the address."""
    Outage(f"{URL}/v1/logs").mark()
    assert Outage(URL).is_fresh
    assert not Outage("http://127.0.0.1:4319").is_fresh
    mark = next(host.rglob("*.unreachable"))
    for age, fresh in ((FRESH - 5, True), (FRESH + 1, False), (-60, False)):
        os.utime(mark, (time.time() - age,) * 2)
        assert Outage(URL).is_fresh is fresh, age
    outage = Outage(URL)
    outage.mark()
    outage.clear()
    assert not mark.exists()


def test_an_outage_is_long_after_10_s(host: Path) -> None:
    """It counts from its first mark on, unless it was not renewed for 30 s."""
    outage = Outage(URL)
    outage.mark()
    assert not outage.is_long
    mark = next(host.rglob("*.unreachable"))
    since = f"{time.time() - LONG - 1:.0f}\n"
    mark.write_text(since)
    outage.mark()
    assert mark.read_text() == since
    assert Outage(URL).is_long
    os.utime(mark, (time.time() - FRESH - 1,) * 2)
    assert not outage.is_long
    outage.mark()
    assert not outage.is_long
    mark.write_text("")
    assert not outage.is_long


def test_links_are_not_followed(host: Path, tmp_path: Path) -> None:
    """Neither a linked mark nor a linked folder, nor one that others can write to, is used or changed."""
    outage = Outage(URL)
    outage.mark()
    mark = next(host.rglob("*.unreachable"))
    victim = tmp_path / "victim"
    mark.unlink()
    mark.symlink_to(victim)
    outage.mark()
    assert not victim.exists()
    assert not Outage(URL).is_fresh
    mark.unlink()
    mark.parent.chmod(0o777)
    outage.mark()
    assert list(mark.parent.iterdir()) == []
    mark.parent.rmdir()
    victim.mkdir()
    mark.parent.symlink_to(victim)
    outage.mark()
    assert list(victim.iterdir()) == []
    assert not Outage(URL).is_fresh
