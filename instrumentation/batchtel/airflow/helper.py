"""The helper process of a scheduler, and the way to it: messages in a bounded socket, or dropped and counted.

The scheduler's loop waits for nothing, opens no connection and starts no thread, which a fork of it would deadlock on
(apache/airflow#71707). The helper reports and exports, with modules that the scheduler does not import.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

from batchtel.base.guard import warn_once

AGAIN_AFTER: Final = 60.0
"""Seconds until another helper is started for one that has ended."""


INLINE: Final = 4096
"""Bytes that go through the socket itself, whose buffer has 200 KiB; a longer message goes as a file in memory."""


_AT_ONCE_OR_NEVER: Final = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


@contextmanager
def _in_memory(content: bytes) -> Iterator[BinaryIO]:
    with open(os.memfd_create("batchtel"), "wb", buffering=0) as file:
        file.write(content)
        yield file


class Messenger:
    """The way to the helper of this process, which is started with the first message."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._helper: subprocess.Popen[bytes] | None = None
        self._started = -AGAIN_AFTER
        self._dropped = 0

    def send(self, message: dict[str, Any]) -> bool:
        """Hand over one message without waiting; False if it was dropped."""
        content = json.dumps({**message, "dropped": self._dropped}).encode()
        if self._put(content) or (self._connect() and self._put(content)):
            self._dropped = 0
            return True
        self._dropped += 1
        warn_once(
            "airflow:helper", "the helper process of batchtel accepts no messages; DAG runs are dropped, and counted"
        )
        return False

    def _put(self, content: bytes) -> bool:
        if self._socket is None:
            return False
        try:
            if len(content) <= INLINE:
                self._socket.send(content, _AT_ONCE_OR_NEVER)
            else:
                with _in_memory(content) as file:
                    rights = array("i", [file.fileno()])
                    attached = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
                    self._socket.sendmsg([b"file"], attached, _AT_ONCE_OR_NEVER)
        except ConnectionError:
            self.forget()
            return False
        except OSError:
            return False  # the buffer is full
        return True

    def _connect(self) -> bool:
        """Start the helper, unless there is one or there was one a moment ago."""
        if self._socket is not None or time.monotonic() - self._started < AGAIN_AFTER:
            return False
        self._started = time.monotonic()
        # Messages keep their bounds, none is ever cut in two, and the end of this process is the end of the file.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(True)  # with a default timeout, sending would wait for it where the buffer is full
        with theirs:
            # A session of its own: what ends the scheduler's group must not lose the last messages.
            self._helper = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._socket = ours
        return True

    def forget(self) -> None:
        """Close the way; the helper ends when everybody has."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def forked(self) -> None:
        """Let go of the parent's helper in a child, which would keep it alive otherwise."""
        self.forget()
        self._helper, self._started, self._dropped = None, -AGAIN_AFTER, 0


MESSENGER: Final = Messenger()
os.register_at_fork(after_in_child=MESSENGER.forked)


def serve(connection: socket.socket) -> None:
    """Report what each message of `connection`, or the file that comes with it, holds, until its other end closes."""
    from batchtel.airflow.open_runs import OpenRuns

    runs = OpenRuns()
    while True:
        content, files, *_ = socket.recv_fds(connection, INLINE, 1)
        if not content:
            return
        runs.report(_whole(files[0]) if files else content)


def _whole(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)  # the sender has left it at its end
    with open(file, "rb") as content:
        return content.read()


def main() -> None:
    """Serve the socket whose number is the only argument."""
    from batchtel.airflow.task_step import FLUSH_TIMEOUT
    from batchtel.telemetry.process import flush

    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)
    # The helper of a process that sends one message, as those that Airflow 2 parses DAGs in, ends with it.
    flush(FLUSH_TIMEOUT)


if __name__ == "__main__":
    main()
