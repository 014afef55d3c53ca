"""The events of this process, as log records."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.sdk._logs import Logger as SdkLogger
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from batchtel.base import pristine
from batchtel.telemetry.logs import QueueProcessor
from batchtel.version import __version__

_SEVERITIES: Final = {name: SeverityNumber[name] for name in ("INFO", "WARN", "ERROR")}

_SDK_LIMIT: Final = 128
"""Attributes of a log record that the SDK keeps where no variable sets another limit."""


class Events:
    """Emits events by `logger`, and those of few attributes directly to the `queue` that it ends in.

    What the SDK does on the way, a copy of the attributes within its limits, costs as much as all else of a step; and
    limits of the variables may leave nothing of a run's identity.
    """

    def __init__(self, logger: Logger, queue: QueueProcessor) -> None:
        self._logger = logger
        self._queue = queue
        self._scope = InstrumentationScope("batchtel", __version__)
        # It is none of the SDK's where OTEL_SDK_DISABLED turns that off.
        self._is_direct = isinstance(logger, SdkLogger)

    def emit(self, name: str, body: str, attributes: dict[str, Any], severity: str, context: Any) -> None:
        """Emit one event; `severity` is INFO, WARN or ERROR, `attributes` are the event's own from here on."""
        now = pristine.time_ns()
        record = LogRecord(
            timestamp=now,
            observed_timestamp=now,
            context=context,
            severity_text=severity,
            severity_number=_SEVERITIES[severity],
            body=body,
            attributes=attributes,
            event_name=name,
        )
        if self._is_direct and len(attributes) <= _SDK_LIMIT:
            self._queue.queue(record, instrumentation_scope=self._scope)
        else:
            self._logger.emit(record)
