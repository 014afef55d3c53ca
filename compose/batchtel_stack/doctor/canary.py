"""A real run of a job of the doctor's own, in a process of its own with the caller's OTEL_* variables."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from typing import Final

from batchtel.base.start_environment import TRACE_VARIABLES
from batchtel.catalogue.keys import CANARY
from batchtel_stack.errors import UnavailableError

JOB: Final = CANARY
"""Name of the job; its series stay in Prometheus as long as those of other jobs."""

_SECONDS: Final = 120.0

_LINE: Final = "a line of the canary"

_PROGRAM: Final = f"""
import logging
import batchtel
from opentelemetry import trace

with batchtel.job({JOB!r}, type="maintenance"):
    print(f"{{trace.get_current_span().get_span_context().trace_id:032x}}", flush=True)
    with batchtel.step("look") as step:
        step.records(read=1, written=1)
        logging.getLogger({JOB!r}).warning({_LINE!r})
"""


@dataclass(frozen=True)
class Canary:
    """A run that has ended: its ids, its start, and the exit code and stderr of its process."""

    run_id: str
    trace_id: str
    since: float
    exit_code: int
    stderr: str

    @classmethod
    def send(cls) -> Canary:
        """Run the job to its end; it waits up to 10 s for the collector.

        Raises:
            UnavailableError: it has not ended in time.
        """
        kept = {name: text for name, text in os.environ.items() if not name.startswith("BATCHTEL_")}
        kept = {name: text for name, text in kept.items() if name not in TRACE_VARIABLES}
        run_id, since = str(uuid.uuid4()), time.time()
        own = {"BATCHTEL_RUN_ID": run_id, "BATCHTEL_EXIT_TIMEOUT": "10", "OTEL_SERVICE_NAME": JOB}
        # -P: otherwise a file in the current folder with the name of a module would be imported.
        command = [sys.executable, "-P", "-c", _PROGRAM]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=kept | own
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(
                f"the canary has not ended after {_SECONDS:.0f} s; is this machine very busy?"
            ) from None
        # Without the job's own line, which is on stderr too.
        stderr = "\n".join(line for line in done.stderr.splitlines() if line.strip() not in ("", _LINE))
        return cls(run_id, done.stdout.strip()[:32], since, done.returncode, stderr)
