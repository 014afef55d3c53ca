"""Log records that Airflow 3 makes by structlog, past the standard library: `ti.log`, `self.log` of operators.

structlog hands every event through a list of processors, which loggers that exist already share. Ours stands first in
it and gives the event back as it was, so Airflow's own log is what it is without.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

from batchtel.base.guard import harmless
from batchtel.telemetry.process import telemetry

_MARKS: Final = ("::group::", "::endgroup::")
"""Where the user interface folds the log: no events."""


def copy(logger: Any, method: str, event: Any) -> Any:
    """Copy one event of structlog to the run's log records; a processor of structlog."""
    _send(logger, method, event)
    return event


def capture() -> None:
    """Put the copy first, once; nothing where there is no structlog, as in Airflow 2."""
    structlog = sys.modules.get("structlog")
    processors = structlog.get_config()["processors"] if structlog is not None else None
    if isinstance(processors, list) and copy not in processors:
        processors.insert(0, copy)


@harmless(None)
def _send(logger: Any, method: str, event: Any) -> None:
    process = telemetry()
    text = str(event.get("event", ""))
    if process is None or text.startswith(_MARKS):
        return
    arguments = event.get("positional_args")
    name = str(event.get("logger_name") or getattr(logger, "name", None) or "airflow.task")
    level = logging.getLevelNamesMapping().get(method.upper(), logging.ERROR if method == "exception" else logging.INFO)
    process.copy(logging.LogRecord(name, level, "", 0, text, arguments or None, _exception(event.get("exc_info"))))


def _exception(given: Any) -> Any:
    """Return exc_info as logging has it, of what structlog accepts: an exception, a triple, or true."""
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    return sys.exc_info() if given is True else given or None
