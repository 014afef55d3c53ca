"""The processes of the demo's jobs: each in a session of its own, none of which outlives the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Final

from batchtel_stack import children, output
from batchtel_stack.demo import ledger
from batchtel_stack.errors import UnavailableError

FLUSH_SECONDS: Final = 30
"""How long a job may wait for the collector at its end. The default of 2 s is for a machine without the load
of a demo: 8 processes at a time on less than half a core need more."""

SECONDS: Final = 180.0
"""How long a process may run."""


@dataclass(frozen=True)
class Running:
    """A started job: its process, the module it runs and the file with what it prints."""

    process: subprocess.Popen[bytes]
    module: str
    log: Path


class Processes:
    """Starts job modules with `python -m`; at the end of the `with` block those that still run are killed.

    Args:
        folder: working directory of the processes, with their output; the ledgers are in `ledger` within it.
        endpoint: where they send telemetry, OTLP over HTTP.
        service: their `service.name`.
    """

    def __init__(self, folder: Path, endpoint: str, service: str) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.ledger.mkdir(parents=True, exist_ok=True)
        self._endpoint, self._service = endpoint, service
        self._all: list[Running] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for running in self._all:
            # The group: a worker's children too, also when the worker itself has ended.
            children.kill_group(running.process.pid, signal.SIGKILL)
        for running in self._all:
            running.process.wait()

    def start(self, module: ModuleType, *arguments: object, variables: Mapping[str, str] | None = None) -> Running:
        """Start a job module with arguments and additional environment variables."""
        log = self.folder / f"{module.__name__.rpartition('.')[2]}-{len(self._all)}.log"
        with log.open("wb") as file:
            process = children.start(
                [sys.executable, "-m", module.__name__, *map(str, arguments)],
                output=file,
                folder=self.folder,
                environment=self._environment() | dict(variables or {}),
            )
        running = Running(process, module.__name__, log)
        self._all.append(running)
        return running

    def finish(self, *all_running: Running, exit_code: int = 0) -> None:
        """Wait for the end of processes.

        Raises:
            UnavailableError: One ended with another exit code, or not in time; the message has its last lines.
        """
        deadline = time.monotonic() + SECONDS
        for running in all_running:
            try:
                code = running.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise UnavailableError(_with_output(running, f"has not ended after {SECONDS:.0f} s")) from None
            if code != exit_code:
                raise UnavailableError(_with_output(running, f"ended with {code}, not {exit_code}"))

    def _environment(self) -> dict[str, str]:
        """Return the caller's environment, without variables that would send the telemetry elsewhere."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("OTEL_", "BATCHTEL_", "TRACE"))}
        return kept | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TIMEOUT": str(FLUSH_SECONDS),
            "OTEL_SERVICE_NAME": self._service,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=demo",
            "BATCHTEL_EXIT_TIMEOUT": str(FLUSH_SECONDS),
            "NO_PROXY": "127.0.0.1",
            ledger.FOLDER_VARIABLE: str(self.ledger),
        }


def _with_output(running: Running, how: str) -> str:
    return f"`python -m {running.module}` {how}. Its last lines:\n{output.quoted(running.log, 15)}"
