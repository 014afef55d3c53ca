"""Jobs on other versions of Python."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import textwrap
import time
from pathlib import Path

from tests.support.interpreters import interpreter, packages
from tests.support.process import Finished, environment
from tests.support.sink import Sink

_FOLDER = tempfile.TemporaryDirectory(prefix="batchtel-workers-")


def run_on(version: str, script: str, sink: Sink | None, *arguments: str, **variables: str) -> Finished:
    """Run `script`, Python text, on Python `version`; without a sink batchtel is off."""
    text = textwrap.dedent(script)
    file = Path(_FOLDER.name) / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.py"
    file.write_text(text, encoding="utf-8")
    off = {"OTEL_SDK_DISABLED": "true"} if sink is None else {}
    own = {"PYTHONPATH": packages(), "BATCHTEL_EXIT_TIMEOUT": "20", "OTEL_EXPORTER_OTLP_TIMEOUT": "20", **off}
    began = time.monotonic()
    finished = subprocess.run(
        [interpreter(version), file, *arguments],
        env=environment(sink, {**own, **variables}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr, time.monotonic() - began)
