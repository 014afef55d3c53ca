"""A store that is slow, silent or broken: each query ends in time, and the next ones do not wait for it again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from batchtel_dashboards.stores import Prometheus, client
from batchtel_dashboards.stores.errors import StoreError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@contextmanager
def store(answer: Callable[[socket.socket], None]) -> Iterator[Prometheus]:
    """A client of a server that answers a request so."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    connection.recv(65536)
                    with connection, suppress(OSError):
                        answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield Prometheus(f"http://127.0.0.1:{listening.getsockname()[1]}")
        listening.shutdown(socket.SHUT_RDWR)


def drips(connection: socket.socket) -> None:
    """Send a body byte by byte."""
    connection.sendall(HEAD)
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def hangs(connection: socket.socket) -> None:
    """Send nothing until the client leaves."""
    connection.recv(1)


def closes(connection: socket.socket) -> None:
    """Send nothing, and end the connection."""


def breaks_off(connection: socket.socket) -> None:
    """Send a part of the body, and end the connection."""
    connection.sendall(HEAD + b"{")


@pytest.mark.parametrize("answer", [drips, hangs])
def test_an_answer_that_does_not_come_ends_in_time(
    answer: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a byte comes now and then. For some seconds no query is sent any more; after them one is again."""
    monkeypatch.setattr(client, "TIMEOUT", 0.5)
    monkeypatch.setattr(client, "PAUSE", 1.0)
    with store(answer) as prometheus:
        with pytest.raises(StoreError, match=r"does not answer at .*: no answer in time\. Is it running\?"):
            prometheus.query("up")
        with pytest.raises(StoreError, match=r"no answer in time; the next try is in 1 s$"):
            prometheus.query("up")
        time.sleep(1.1)
        with pytest.raises(StoreError, match=r"no answer in time\. Is it running\?"):
            prometheus.query("up")


@pytest.mark.parametrize("answer", [closes, breaks_off])
def test_a_connection_that_is_closed(answer: Callable[[socket.socket], None]) -> None:
    """The message has no objects of Python in it, and the next query is sent."""
    with store(answer) as prometheus:
        for _ in range(2):
            with pytest.raises(StoreError) as raised:
                prometheus.query("up")
            assert ": it has closed the connection. Is it running? batchtel stack status" in str(raised.value)


def test_text_that_is_no_utf_8_is_a_question_mark() -> None:
    """As names are recorded: bytes of a command line are no reason for a traceback."""
    requested = []

    def answer(connection: socket.socket) -> None:
        body = b'{"data": {"result": []}}'
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        requested.append(True)

    with store(answer) as prometheus:
        assert prometheus.query("up{job='\udcff'}") == []
    assert requested == [True]
