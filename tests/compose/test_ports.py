"""Ports: settings, and processes that use them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from batchtel_stack import ports
from batchtel_stack.errors import UnavailableError, WrongInputError
from batchtel_stack.ports import Ports
from tests.compose.conftest import Batchtel
from tests.compose.machine import options, processes

LOW_PORTS = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@pytest.fixture
def occupied(ports: Ports) -> Iterator[Ports]:
    """Ports; this process listens on two of them."""
    with ExitStack() as held:
        for number in (ports.prometheus, ports.jaeger_otlp):
            listener = held.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", number))
            listener.listen()
        yield ports


@pytest.mark.usefixtures("built")
def test_occupied_ports_are_all_named(batchtel: Batchtel, data: Path, occupied: Ports) -> None:
    """One error names every port that is in use, its process, its purpose and how to choose another."""
    up = batchtel("stack", "up", "--data", data, *options(occupied))
    me = f"process {os.getpid()} ({Path('/proc/self/comm').read_text().strip()})"
    assert up.returncode == 3
    assert up.stderr == (
        "error: 2 ports cannot be opened, nothing was started:\n"
        f"  127.0.0.1:{occupied.prometheus} (prometheus, queries and remote write) is used by {me}; "
        "choose another port: --port prometheus=N\n"
        f"  127.0.0.1:{occupied.jaeger_otlp} (jaeger, spans from the collector, OTLP over gRPC) is used by {me}; "
        "choose another port: --port jaeger_otlp=N\n"
    )
    assert processes(data) == {}


def test_one_occupied_port_is_in_the_singular(occupied: Ports) -> None:
    """The error about a single port is in the singular."""
    with pytest.raises(
        UnavailableError, match=r"^a port cannot be opened, nothing was started:\n  127\.0\.0\.1:\d+ \(prometheus"
    ):
        Ports.free().changed([f"prometheus={occupied.prometheus}"]).require_free()


@pytest.fixture
def no_root() -> Iterator[None]:
    """This process without the rights of root, if it has them."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.mark.skipif(int(LOW_PORTS.read_text()) < 2, reason="here everybody may open any port, as in most containers")
@pytest.mark.usefixtures("no_root")
def test_a_low_port_is_not_reported_as_used(ports: Ports) -> None:
    """The error is that it needs root, not that a process uses it."""
    with pytest.raises(UnavailableError) as refused:
        ports.changed(["prometheus=1"]).require_free()
    assert str(refused.value) == (
        "a port cannot be opened, nothing was started:\n"
        "  127.0.0.1:1 (prometheus, queries and remote write) needs root, as all low ports; "
        "choose another port: --port prometheus=N"
    )


def test_settings_change_ports() -> None:
    """A setting changes the port that it names and no other."""
    assert Ports().changed(["prometheus=19090", "jaeger=26686"]) == Ports(prometheus=19090, jaeger=26686)


def test_wrong_settings_are_all_named() -> None:
    """Every wrong setting is reported at once, with what to write instead."""
    with pytest.raises(WrongInputError) as wrong:
        Ports().changed(["promethus=1", "victorialogs=70000", "jaeger=x", "otlp_grpc=9090"])
    assert str(wrong.value) == (
        "--port promethus=1: unknown port 'promethus'; choose from otlp_grpc, otlp_http, collector_health, "
        "collector_metrics, collector_series, prometheus, alertmanager, victorialogs, jaeger, jaeger_grpc, "
        "ui, jaeger_otlp\n"
        "--port victorialogs=70000: '70000' is not a port; write victorialogs=19090 (1 to 65535)\n"
        "--port jaeger=x: 'x' is not a port; write jaeger=19090 (1 to 65535)\n"
        "port 9090 is given to otlp_grpc and prometheus; choose another: --port prometheus=N"
    )


def test_free_ports_differ() -> None:
    """No two of the free ports are the same."""
    found = Ports.free()
    assert len({getattr(found, name) for name in Ports.names()}) == len(Ports.names())


def test_a_free_port_is_given_once() -> None:
    """Ports of programs that have not started yet are not given again (three collectors of a test shared one)."""
    given = [number for _ in range(300) for number in ports.free(2)]
    assert len(set(given)) == len(given)
