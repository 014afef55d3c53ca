"""Airflow's own trace of a DAG run, which is used where Airflow's tracing is on."""

from __future__ import annotations

import functools
import re
import sys
from typing import Any, Final

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_CONFIGURATIONS: Final = ("airflow.sdk.configuration", "airflow.configuration")
"""Where task processes of 3.2 and later have Airflow's settings, and where the others have."""


def traceparent(carrier: Any) -> str:
    """Return the W3C traceparent in `carrier`, a column `context_carrier`; empty text where Airflow makes no spans.

    Without spans of its own Airflow fills the column all the same, with flags that nobody has decided: "not sampled" in
    3.3, "sampled" in 3.2.
    """
    told = str(carrier.get("traceparent")) if hasattr(carrier, "get") and is_on() else ""
    return told if _TRACEPARENT.fullmatch(told) else ""


@functools.cache
def is_on() -> bool:
    """Whether Airflow's setting `[traces] otel_on` is true, as the configuration that this process has loaded says."""
    loaded = [sys.modules[name] for name in _CONFIGURATIONS if name in sys.modules]
    return bool(loaded) and bool(loaded[0].conf.getboolean("traces", "otel_on", fallback=False))
