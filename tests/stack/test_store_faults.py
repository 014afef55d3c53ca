"""A store that is down, or killed under load: what was acknowledged, and how much of it is stored afterwards."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from batchtel_dashboards.stores import Wanted
from tests.stack.altered import Altered, altered
from tests.support import otlp
from tests.support.polling import until

RATE: Final = 75.0
"""Requests a second, each with one log record or one span."""

LOST_SECONDS: Final = 8.0
"""What a killed VictoriaLogs may have lost: about 3 s on an idle machine, 3.9 s on a busy one."""


class Load:
    """A thread that sends log records and spans, numbered, and keeps the time at which each was acknowledged."""

    def __init__(self, stack: Altered) -> None:
        self.logs: dict[int, float] = {}
        self.traces: dict[int, float] = {}
        self._stack = stack
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _send(self) -> None:
        number = 0
        with closing(otlp.Sender(self._stack.ports.otlp_http)) as sender:
            while not self._end.wait(1 / RATE):
                number += 1
                own = {"batch.job.name": "load", "batch.run.id": f"run-{number}"}
                span: dict[str, object] = {
                    "name": "batch_job.load",
                    "traceId": f"{number:032x}",
                    "spanId": f"{number:016x}",
                }
                times = {"startTimeUnixNano": "{now}", "endTimeUnixNano": "{now}"}
                record = {"timeUnixNano": "{now}", "body": {"stringValue": "a line"}, "attributes": own}
                for signal_name, item, sent in (
                    ("logs", record, self.logs),
                    ("spans", {**span, **times, "attributes": own}, self.traces),
                ):
                    request = otlp.request({"service.name": "load"}, {}, signal_name, [item])
                    body = otlp.expand(request, int(time.time()), 0, "")
                    if sender.send(otlp.path(body), otlp.encoded(body, otlp.JSON), otlp.JSON)[0] == 200:
                        sent[number] = time.time()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Altered]:
    """A stack as it ships, but for its export interval."""
    with altered(tmp_path) as running:
        yield running


def _stored(stack: Altered) -> tuple[set[int], set[int]]:
    """Return the numbers of log records and traces that are stored; fails if one is stored twice."""
    (logs,), (traces,), now = stack.stores.logs, stack.stores.traces, time.time()
    records = [int(one.fields["batch.run.id"][4:]) for one in logs.records(Wanted("load"), now - 600, now + 60)]
    assert len(records) == len(set(records))
    return set(records), {int(one, 16) for one in traces.find(Wanted("load"), now - 600, now + 60)}


def _sent_for(load: Load, seconds: float) -> None:
    since = time.time()

    def reached() -> bool | None:
        newest = min(max(load.logs.values(), default=0.0), max(load.traces.values(), default=0.0))
        return True if newest - since > seconds else None

    until(f"{seconds:g} s of load", reached, seconds + 60)


def _settled(stack: Altered, load: Load, after: float) -> tuple[set[int], set[int]]:
    """Return what is stored, once everything that was acknowledged after a Unix time is."""
    logs = {number for number, moment in load.logs.items() if moment > after}
    traces = {number for number, moment in load.traces.items() if moment > after}

    def arrived() -> tuple[set[int], set[int]] | None:
        stored = _stored(stack)
        return stored if logs <= stored[0] and traces <= stored[1] else None

    return until("everything that was sent afterwards", arrived, 90, lambda: str([len(one) for one in _stored(stack)]))


@pytest.mark.parametrize("program", ["victorialogs", "jaeger"])
def test_a_store_that_is_killed(stack: Altered, program: str) -> None:
    """Kill -9 under load: Jaeger loses nothing that was acknowledged, VictoriaLogs the last seconds, nothing before."""
    with Load(stack) as load:
        _sent_for(load, 8)
        stack.programs[program].stop(signal.SIGKILL)
        killed = time.time()
        _sent_for(load, 2)
        stack.programs[program].__enter__()
        _sent_for(load, 3)
    logs, traces = _settled(stack, load, killed)
    lost = sorted(load.logs[number] for number in load.logs.keys() - logs)
    figure = f"{len(lost)} of {len(load.logs)} log records lost, all within {killed - lost[0] if lost else 0:.1f} s"
    print(f"\n{program} killed at {RATE:g} requests a second: {figure}; {len(load.traces)} traces, none lost")  # noqa: T201
    assert load.traces.keys() == traces
    if program == "jaeger":
        assert lost == []
    assert all(killed - LOST_SECONDS < moment <= killed for moment in lost)


@pytest.mark.parametrize("program", ["victorialogs", "jaeger"])
def test_a_store_that_is_away(stack: Altered, program: str) -> None:
    """What is acknowledged meanwhile is stored once it is back, once each; the other store has everything at once."""
    stack.programs[program].stop()
    with Load(stack) as load:
        _sent_for(load, 5)
    (logs,), (traces,), now = stack.stores.logs, stack.stores.traces, time.time()

    def in_the_other() -> bool | None:
        if program == "jaeger":
            return True if len(logs.records(Wanted("load"), now - 600, now + 60)) == len(load.logs) else None
        return True if len(traces.find(Wanted("load"), now - 600, now + 60)) == len(load.traces) else None

    until("everything in the other store", in_the_other, 30)
    stack.programs[program].__enter__()
    assert _settled(stack, load, 0.0) == (set(load.logs), set(load.traces))
