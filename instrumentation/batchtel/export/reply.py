"""What the collector answers to one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from batchtel.base.guard import warn_once
from batchtel.export import messages

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


def accepted(signal: Signal, response: bytes) -> Reply:
    """Return the reply for a request that was accepted; warn once if not all of it was.

    `response` is an ExportServiceResponse, empty where all was accepted.

    Raises:
        google.protobuf.message.DecodeError: It is none.
    """
    partial = messages.response(signal, response).partial_success
    # rejected_spans, rejected_data_points or rejected_log_records: the first field of each.
    rejected = next((value for field, value in partial.ListFields() if field.name.startswith("rejected")), 0)
    if rejected:
        warn_once(
            f"partial:{signal}",
            "the collector accepted a request of %s but rejected %d items in it, which are lost: %s",
            signal,
            rejected,
            shown(partial.error_message) or "it gives no reason",
        )
    elif partial.error_message:
        warn_once(
            f"partial:{signal}", "the collector accepted the %s and warns: %s", signal, shown(partial.error_message)
        )
    return Reply("delivered", rejected=rejected)


def shown(text: str) -> str:
    """Return another program's message as it may stand in a log: one line, without control characters, cut."""
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return line if len(line) <= _TEXT_LIMIT else line[:_TEXT_LIMIT] + "..."
