"""The way from a hook of the scheduler to the helper process, the real one: it never blocks, and drops by number."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest

from batchtel.airflow.facts import DagRun, Task
from batchtel.airflow.helper import Messenger
from tests.support.polling import until
from tests.support.sink import Sink

ROOM = 10_000
"""More messages than fit into any socket's buffer."""


HOW = {"reason": "", "started": False, "spanned": False, "lost": False}
"""What a message holds of all its tasks."""


def _ended(number: int) -> dict[str, Any]:
    run = DagRun("stalled", f"run-{number}", "manual", "success", None, None, 1.7e9, 1.7e9 + 5, "")
    return {"dag_run": run._asdict(), "message": "success"}


def test_a_helper_that_stands_still(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A full pipe drops messages at once; the helper reports how many, and each that was accepted, once."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
    messenger = Messenger()
    assert messenger.send(_ended(0))
    helper = messenger._helper
    assert helper is not None
    os.kill(helper.pid, signal.SIGSTOP)
    try:
        accepted = next(number for number in range(1, ROOM) if not messenger.send(_ended(number)))
        assert [messenger.send(_ended(number)) for number in range(ROOM, ROOM + 4)] == [False] * 4
    finally:
        os.kill(helper.pid, signal.SIGCONT)
    until("room in the pipe", lambda: messenger.send(_ended(2 * ROOM)) or None, 30)
    messenger.forget()
    helper.wait(30)
    dropped = re.findall(r"(\d+) messages of DAG runs were dropped", capfd.readouterr().err)
    # What did not fit while the helper woke up counts, too.
    assert len(dropped) == 1
    assert int(dropped[0]) >= 5
    assert sink.total("batch.job.completions", job_name="stalled") == accepted + 1


def test_a_helper_whose_scheduler_ends_at_once(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last message reaches a collector that accepts nothing for longer than a task would wait."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
    monkeypatch.setenv("BATCHTEL_EXIT_TIMEOUT", "0.5")
    sink.mode = "unavailable"
    messenger = Messenger()
    assert messenger.send(_ended(0))
    helper = messenger._helper
    assert helper is not None
    messenger.forget()
    # Delays double from 0.1 s: the sixth request comes after 3 s, and no task would wait for that.
    sink.wait_refused("metrics", 6)
    sink.mode = "ok"
    helper.wait(30)
    assert sink.total("batch.job.completions", job_name="stalled") == 1


def test_a_run_of_thousands_of_tasks(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that the pipe has no room for goes as a file, also to a busy helper; each task is reported once."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
    task = Task("wide", "run", "waits", 0, 0, "upstream_failed", 1, 0, False, "Bash", "q", "pool", "manual", 1.7e9, "")
    tasks = [task._replace(map_index=number)._asdict() for number in range(2000)]
    messenger = Messenger()
    assert messenger.send(_ended(0))
    helper = messenger._helper
    assert helper is not None
    os.kill(helper.pid, signal.SIGSTOP)
    try:
        assert messenger.send({"tasks": tasks, **HOW})
        assert messenger.send({"tasks": tasks, **HOW})
    finally:
        os.kill(helper.pid, signal.SIGCONT)
    messenger.forget()
    helper.wait(60)
    assert sink.total("batch.step.completions", job_name="wide", status="skipped") == 4000


def test_a_helper_that_is_gone(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the helper was killed, messages are dropped; a new one is not started at once."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
    messenger = Messenger()
    assert messenger.send(_ended(0))
    helper = messenger._helper
    assert helper is not None
    helper.kill()
    helper.wait(30)
    assert not messenger.send(_ended(1))
    assert messenger._helper is helper
