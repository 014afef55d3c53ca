"""The state in a data folder, also when it is out of date."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from batchtel_stack import state
from batchtel_stack.ports import Ports
from batchtel_stack.programs import programs
from batchtel_stack.stack import Stack
from batchtel_stack.state import Process, State


@pytest.fixture
def own(tmp_path: Path) -> Process:
    """This very process, as if it were a program of a stack."""
    ticks = state.ticks(os.getpid())
    assert ticks is not None
    return Process("jaeger", os.getpid(), ticks, time.time(), "http://127.0.0.1:16686", tmp_path / "jaeger.log")


def test_state_survives_the_file(tmp_path: Path, own: Process) -> None:
    """The state that is read is the one that was written."""
    written = State(Ports(jaeger=26686), (own,))
    state.write(tmp_path, written)
    assert state.read(tmp_path) == written


@pytest.mark.parametrize("text", ["", "{", "[]", '{"processes": [{}]}'])
def test_unreadable_state_is_none(tmp_path: Path, text: str) -> None:
    """A file that is not a state counts as no state."""
    state.file(tmp_path).write_text(text)
    assert state.read(tmp_path) is None


def test_reused_process_id_is_not_ours(tmp_path: Path, own: Process) -> None:
    """A process with the reused id of a program that has ended is neither reported as running nor stopped."""
    assert own.runs()
    stale = replace(own, ticks=own.ticks - 1)
    state.write(tmp_path, State(Ports(), (stale,)))
    stack = Stack(tmp_path)
    assert [status.state for status in stack.status()] == ["stopped", "stopped", "stopped", "exited", "stopped"]
    assert stack.stop() == []  # and this test continues
    assert state.read(tmp_path) is None


def test_zombie_does_not_run() -> None:
    """A process that has ended but was not waited for does not run."""
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert state.ticks(child.pid) is None
    child.wait()


def test_the_export_interval_is_that_of_the_environment(tmp_path: Path) -> None:
    """Of the rules and of the collector alike, unless the caller names another."""
    for stack, export_interval in (
        (Stack(tmp_path, environment="ci"), "1s"),
        (Stack(tmp_path), "15s"),
        (Stack(tmp_path, environment="ci", export_interval="7s"), "7s"),
    ):
        texts = {file.name: text for one in programs(stack.options, 0) for file, text in one.files.items()}
        assert f"evaluation_interval: {export_interval}\n" in texts["prometheus.yml"]
        assert f'scrape_interval: "{export_interval}"' in texts["collector.yaml"]
