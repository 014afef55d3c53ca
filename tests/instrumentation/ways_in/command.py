"""Commands under `batchtel run` and `opentelemetry-instrument`, as real processes."""

from __future__ import annotations

import queue
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

from tests.support.process import TIMEOUT, environment
from tests.support.sink import Sink

PROGRAMS = Path(sys.executable).parent


def wrapped(*command: str, options: tuple[str, ...] = ()) -> list[str]:
    """Return the arguments that run `command` as a recorded run."""
    return [str(PROGRAMS / "batchtel"), "run", *options, "--", *command]


def instrumented(*arguments: str) -> list[str]:
    """Return the arguments that run Python with `arguments` under auto-instrumentation."""
    return [str(PROGRAMS / "opentelemetry-instrument"), sys.executable, *arguments]


def python(script: str, *arguments: str) -> list[str]:
    """Return the arguments that run `script`, Python text."""
    return [sys.executable, "-c", textwrap.dedent(script), *arguments]


def call(
    arguments: list[str], sink: Sink | None, variables: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run a command line to its end and return it with the bytes that it wrote; `options` go to subprocess.run."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(
        arguments,
        **{
            "env": environment(sink, variables or {}),
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "timeout": TIMEOUT,
            "check": False,
            **options,
        },
    )


def ended(sink: Sink) -> list[tuple[Any, ...]]:
    """Return job, status and exit code of each run that has ended; fails where not as many have started."""
    spans = [span.attributes for span in sink.spans() if span.name.startswith("batch_job.")]
    found = [(row["batch.job.name"], row["batch.status"], row.get("process.exit.code")) for row in spans]
    for name in {str(job) for job, _, _ in found}:
        for metric in ("batch.job.runs.started", "batch.job.completions"):
            assert sink.total(metric, job_name=name) == sum(job == name for job, _, _ in found), (metric, name)
    assert len(sink.events("batch.run.started")) == len(sink.events("batch.run.finished")) == len(found)
    return found


class Talking:
    """A started command line whose stdout is read line by line while it runs; use it in a `with` block."""

    def __init__(self, arguments: list[str], sink: Sink | None, **options: Any) -> None:
        self.process = subprocess.Popen(
            arguments,
            **{
                "env": environment(sink, {}),
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "text": True,
                **options,
            },
        )
        self.seen: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def line(self, what: str, timeout: float = 30.0) -> str:
        """Return the next line of stdout.

        Raises:
            TimeoutError: with `what`, which was waited for, and what came before.
        """
        try:
            self.seen.append(self._lines.get(timeout=timeout))
        except queue.Empty:
            raise TimeoutError(f"waited {timeout:g} s for {what}; lines so far: {self.seen}") from None
        return self.seen[-1]

    def end(self) -> int:
        """Wait for the end and return the exit code; what was still written is in `seen`."""
        code = self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        while not self._lines.empty():
            self.seen.append(self._lines.get())
        return code

    def __enter__(self) -> Talking:
        return self

    def __exit__(self, *unused: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(1)
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.process.stdout is not None and not self._reader.is_alive():
            self.process.stdout.close()
