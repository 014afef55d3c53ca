"""Whether OTEL_SDK_DISABLED=true turns batchtel off in this process; read without the table of settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

_off: bool | None = None


def is_asked_for(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `environ` turns batchtel off, by the same rules as the setting `disabled`."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def is_off() -> bool:
    """Whether batchtel is off: as it was when the first run began, before that by the environment."""
    return is_asked_for() if _off is None else _off


def keep() -> bool:
    """Keep whether batchtel is off from here on, whatever becomes of the environment; return it."""
    global _off
    _off = is_off()
    return _off


def replace(off: bool | None) -> bool | None:
    """Keep `off`, None for what the environment asks for; return what was kept before."""
    global _off
    before, _off = _off, off
    return before


def _forget() -> None:
    # A child of a process that records goes on to record, one of a process that is off reads the environment again.
    if _off:
        replace(None)


os.register_at_fork(after_in_child=_forget)
