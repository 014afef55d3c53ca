"""`Stack.running`: however its process ends, no program is left."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from batchtel_stack.errors import UnavailableError
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.compose.conftest import Eventually, Spawn
from tests.compose.machine import processes

pytestmark = pytest.mark.usefixtures("built")

HOLD = """
import sys, time
from pathlib import Path
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack

with Stack.running(Path(sys.argv[1]), Ports.free(), export_interval="1s"):
    print("up", flush=True)
    time.sleep(120)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left(data: Path, number: signal.Signals, spawn: Spawn, eventually: Eventually) -> None:
    """Ctrl-C and SIGTERM stop the stack; SIGKILL leaves that to the kernel."""
    owner = spawn([sys.executable, "-c", HOLD, str(data)])
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    assert len(set(processes(data)) - {owner.pid}) == 5
    owner.send_signal(number)
    owner.wait(timeout=30)
    eventually("no program is left", lambda: not processes(data), seconds=10)


def test_failure_inside_the_block_stops_everything(data: Path, ports: Ports) -> None:
    """An exception of the caller passes through, after the programs have been stopped."""
    with pytest.raises(ZeroDivisionError), Stack.running(data, ports, export_interval="1s") as stack:  # noqa: PT012
        assert [status.state for status in stack.status()] == ["running"] * 5
        assert len(processes(data)) == 5
        raise ZeroDivisionError
    assert processes(data) == {}
    assert [status.state for status in stack.status()] == ["stopped"] * 5


def test_second_start_is_refused(data: Path, ports: Ports) -> None:
    """Two stacks in one folder would write over each other."""
    with Stack.running(data, ports):
        with pytest.raises(UnavailableError) as refused:
            Stack(data, Ports.free()).start()
        assert str(refused.value) == (
            f"the stack in {data} runs already (prometheus, alertmanager, victorialogs, jaeger, collector). "
            "Stop it: batchtel stack down"
        )
        assert len(processes(data)) == 5


def test_programs_do_not_report_about_themselves(data: Path, ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_* variables are for jobs: the programs inherit the rest of the environment only."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("GREETING", "hello")
    with Stack.running(data, ports):
        for pid in processes(data):
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            assert b"GREETING=hello" in variables
            assert not [variable for variable in variables if variable.startswith(b"OTEL_")]
