"""Jobs as processes of their own, for a process has one telemetry."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.sink import Sink

TIMEOUT = 60
"""Seconds after which a job counts as hung; none here works longer than 3."""


_FOLDER = tempfile.TemporaryDirectory(prefix="batchtel-jobs-")


@dataclass(frozen=True)
class Finished:
    """A job that has ended; `seconds` is its wall time."""

    code: int
    stdout: str
    stderr: str
    seconds: float


def environment(sink: Sink | None, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a job: none of OpenTelemetry's but those given, and the sink as endpoint."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "BATCHTEL_")) and name not in ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
    }
    if sink is not None:
        kept["OTEL_EXPORTER_OTLP_ENDPOINT"] = sink.url
        kept["OTEL_RESOURCE_ATTRIBUTES"] = "deployment.environment.name=test"
    return {**kept, **variables}


def _file(script: str) -> Path:
    """Write `script` to a file; the same text has the same path, so that tracebacks can be compared."""
    file = Path(_FOLDER.name) / f"{hashlib.sha256(script.encode()).hexdigest()[:16]}.py"
    file.write_text(script, encoding="utf-8")
    return file


def start(script: str, sink: Sink | None, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start `script`, Python text, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, _file(textwrap.dedent(script)), *arguments],
        env=environment(sink, variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script: str, sink: Sink | None = None, *arguments: str, **variables: str) -> Finished:
    """Run `script`, Python text, to its end."""
    started = time.monotonic()
    finished = subprocess.run(
        [sys.executable, _file(textwrap.dedent(script)), *arguments],
        env=environment(sink, variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr, time.monotonic() - started)


def succeed(script: str, sink: Sink | None = None, *arguments: str, **variables: str) -> Finished:
    """Run `script` to its end, and assert that it exits with 0 and prints nothing."""
    finished = run(script, sink, *arguments, **variables)
    assert (finished.code, finished.stdout, finished.stderr) == (0, "", ""), finished.stderr
    return finished


_FATE = re.compile(r"batchtel: run [0-9a-f-]{36} of [^:]+: (.*)")


def reported(errors: str) -> tuple[list[str], str]:
    """Return the lines on stderr but the last, and what the last one reports of the data, without the run's name.

    Raises:
        AssertionError: The last line reports nothing.
    """
    *before, last = errors.splitlines()
    found = _FATE.fullmatch(last)
    assert found is not None, last
    return before, found[1]
