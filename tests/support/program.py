"""A real program of the test bench: started with a log file, watched, stopped."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.polling import until


def fetch(url: str) -> str:
    """Return the body of an HTTP GET on loopback; OSError when there is no answer, or not one of 200."""
    address = urlsplit(url)
    with closing(http.client.HTTPConnection(address.netloc, timeout=10)) as connection:
        connection.request("GET", address.path + ("?" + address.query if address.query else ""))
        with connection.getresponse() as response:
            text = response.read().decode()
            if response.status != 200:
                raise OSError(f"{url} answered {response.status}: {text[:500]}")
            return text


class Program:
    """One process; a context manager that waits until `ready` answers and always ends the process."""

    def __init__(
        self, command: Sequence[str | Path], log: Path, ready: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = [str(part) for part in command]
        self.log = log
        self._ready = ready
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Program:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=self._environment
            )
        try:
            until(f"{self._command[0]} to answer on {self._ready}", self._answers, 60, self.tail)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def _answers(self) -> bool | None:
        if self.exit_code is not None:
            raise RuntimeError(f"{self._command[0]} exited with {self.exit_code}\n{self.tail()}")
        fetch(self._ready)
        return True

    @property
    def exit_code(self) -> int | None:
        """Exit code, or None while the process runs."""
        assert self._process is not None, "not started"
        return self._process.poll()

    def restart(self, how: signal.Signals, environment: Mapping[str, str] | None = None) -> None:
        """End the process with `how` and start it again, with more variables; return when it answers."""
        self.stop(how)
        self._environment |= environment or {}
        self.__enter__()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process with `how`, after 20 s with SIGKILL, and wait until it is gone."""
        assert self._process is not None, "not started"
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def end(self, seconds: float) -> int | None:
        """Send SIGTERM and return the exit code, None when it has not ended within `seconds`."""
        assert self._process is not None, "not started"
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def tail(self, lines: int = 30) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
