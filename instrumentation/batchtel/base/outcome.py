"""How a run or a step ended, read from the exception that left it."""

from __future__ import annotations

import sys
from typing import Any, Final, NamedTuple

from batchtel.base.identity import UNKNOWN, bounded
from batchtel.base.values import cut, text_of

_CANCELS: Final = {"SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"}
_SEVERITY: Final = {"success": "INFO", "skipped": "INFO", "cancelled": "WARN"}


class Outcome(NamedTuple):
    """Status (one of `signals.STATUSES`) with what explains it.

    `error_type` is set for failures only; `exit_code` where the process asked for one; `exception` is what to record;
    `reason` explains the status where that alone does not; `goes_on` means that another attempt follows.
    """

    status: str
    error_type: str = ""
    exit_code: int | None = None
    exception: BaseException | None = None
    reason: str = ""
    goes_on: bool = False

    @classmethod
    def of(cls, exception: BaseException | None) -> Outcome:
        """Return how a block ended that `exception` left.

        - none: success;
        - SystemExit: success for the codes None and 0, else failure with that exit code, and its text as the reason;
        - KeyboardInterrupt, a cancellation of asyncio, trio or gevent: cancelled, for somebody outside ended the work;
        - GeneratorExit: cancelled too: the consumer stopped before the generator had come to its end;
        - anything else: failure, with the class name as error type.
        """
        if exception is None:
            return cls("success")
        if isinstance(exception, SystemExit):
            exit_code = _exit_code(exception)
            if exit_code == 0:
                return cls("success", exit_code=0)
            reason = "" if isinstance(exception.code, int) else cut(text_of(exception.code))
            return cls("failure", "SystemExit", exit_code, reason=reason)
        if isinstance(exception, (KeyboardInterrupt, GeneratorExit)) or _is_cancellation(exception):
            return cls("cancelled", reason=type(exception).__name__)
        # A class can be made with any name, and the type is a label.
        return cls("failure", bounded(type(exception).__name__) or UNKNOWN, exception=exception)

    @classmethod
    def of_signal(cls, name: str) -> Outcome:
        """Return how a run ends that the signal of that name ends: cancelled where it asks a program to end."""
        return cls("cancelled", reason=name) if name in _CANCELS else cls("failure", name)

    @property
    def severity(self) -> str:
        """Severity of the event that reports it: INFO, WARN or ERROR."""
        return _SEVERITY.get(self.status, "ERROR")

    def labels(self) -> dict[str, str]:
        """Return the labels of a completion."""
        return {"status": self.status, **({"error_type": self.error_type} if self.error_type else {})}

    def attributes(self) -> dict[str, Any]:
        """Return its attributes on spans and events."""
        attributes = {
            "batch.status": self.status,
            "batch.status.reason": self.reason or None,
            "process.exit.code": self.exit_code,
            "error.type": self.error_type or None,
        }
        return {key: value for key, value in attributes.items() if value is not None}


def _exit_code(exception: SystemExit) -> int:
    """Return what the interpreter makes of SystemExit: 0 for None, 1 for what is no int, else the low byte."""
    code = exception.code
    if code is None:
        return 0
    if not isinstance(code, int):
        return 1
    # One that does not fit into a C long is -1.
    return code & 0xFF if -(2**63) <= code < 2**63 else 0xFF


_CANCELLATIONS: Final = (("asyncio", "CancelledError"), ("trio", "Cancelled"), ("greenlet", "GreenletExit"))
"""Module and exception of what cancels work; that of greenlet is the one of gevent and eventlet, too."""


def _is_cancellation(exception: BaseException) -> bool:
    # They are imported by the job or not at all: asyncio is 20 ms that a plain script need not pay.
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in _CANCELLATIONS)
    return any(isinstance(kind, type) and isinstance(exception, kind) for kind in kinds)
