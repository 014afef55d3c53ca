"""The mark of an outage: the next processes do not wait for a collector that did not answer a moment ago."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from batchtel.outage import FRESH, Outage
from tests.instrumentation.process import run, succeed
from tests.instrumentation.sink import Sink

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
    run(JOB, sink, BATCHTEL_EXIT_TIMEOUT="1")
    marks = list(host.rglob("*.unreachable"))
    assert len(marks) == 1
    assert (marks[0].stat().st_mode & 0o777, marks[0].parent.stat().st_mode & 0o777) == (0o600, 0o700)
    finished = run(JOB, sink, BATCHTEL_EXIT_TIMEOUT="30", OTEL_EXPORTER_OTLP_TIMEOUT="30")
    assert (finished.code, finished.stderr) == (0, "")
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
