"""The environment as far as it names runs: the one around this process, and the next one of this process.

What names a run around is kept when the public names are imported: what appears later is no part of it.
"""

from __future__ import annotations

import os
from typing import Final

TRACE_VARIABLES: Final = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
"""https://opentelemetry.io/docs/specs/otel/context/env-carriers/"""

OPEN_RUN: Final = "BATCHTEL_OPEN_RUN"
"""Holds the id of the run that is open. BATCHTEL_RUN_ID alone is only the id of the next run."""

AT_START: Final = {
    name: os.environ[name] for name in os.environ if name.startswith("BATCHTEL_") or name in TRACE_VARIABLES
}
"""The variables of batchtel, and of the trace context."""


def of_next_run() -> dict[str, str]:
    """Return the variables, as they are now, that give the next run its id and the number of its attempt."""
    return {name: os.environ[name] for name in ("BATCHTEL_RUN_ID", "BATCHTEL_ATTEMPT") if name in os.environ}
