"""What the collector answers to one request, and where that is read."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from batchtel.base.guard import warn_once

if TYPE_CHECKING:
    from batchtel.export.endpoint import Signal

Verdict = Literal["delivered", "retry", "refused"]

_TEXT_LIMIT = 200
"""Characters of the collector's own message in a warning."""


class Reply(NamedTuple):
    """The result of one request; `retry_after` is how many seconds the collector asks to wait, 0 if it asks for none.

    `refused` is for good: the same request would be refused again; `is_unsent` means that it never left the process,
    for it cannot be encoded or is too large; `is_misdirected` that it was refused for its address or its credentials,
    not for what is in it. `rejected` is how many items of a request that was delivered the collector left out.
    """

    verdict: Verdict
    reason: str = ""
    retry_after: float = 0.0
    is_unsent: bool = False
    is_misdirected: bool = False
    rejected: int = 0


class Listener:
    """Reads the replies to one signal's requests, and can put another request in the place of the next one."""

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.reply: Reply | None = None
        self.replacement: Any = None

    def accepted(self, response: Any) -> None:
        """Read the ExportServiceResponse of a request that was accepted; warn once if not all of it was."""
        partial = response.partial_success
        # rejected_spans, rejected_data_points or rejected_log_records: the first field of each.
        rejected = next((value for field, value in partial.ListFields() if field.name.startswith("rejected")), 0)
        self.reply = Reply("delivered", rejected=rejected)
        if rejected:
            warn_once(
                f"partial:{self.signal}",
                "the collector accepted a request of %s but rejected %d items in it, which are lost: %s",
                self.signal,
                rejected,
                shown(partial.error_message) or "it gives no reason",
            )
        elif partial.error_message:
            warn_once(
                f"partial:{self.signal}",
                "the collector accepted the %s and warns: %s",
                self.signal,
                shown(partial.error_message),
            )

    def response(self) -> Any:
        """Return an empty ExportServiceResponse of the signal."""
        return getattr(_service(self.signal), f"Export{_MESSAGES[self.signal]}ServiceResponse")()


_MESSAGES = {"traces": "Trace", "metrics": "Metrics", "logs": "Logs"}


def _service(signal: Signal) -> Any:
    module = {"traces": "trace", "metrics": "metrics", "logs": "logs"}[signal]
    return importlib.import_module(f"opentelemetry.proto.collector.{module}.v1.{module}_service_pb2")


def new_request(signal: Signal) -> Any:
    """Return an empty ExportServiceRequest of `signal`."""
    return getattr(_service(signal), f"Export{_MESSAGES[signal]}ServiceRequest")()


def shown(text: str) -> str:
    """Return another program's message as it may stand in a log: one line, without control characters, cut."""
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return line if len(line) <= _TEXT_LIMIT else line[:_TEXT_LIMIT] + "..."
