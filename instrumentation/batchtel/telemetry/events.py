"""The events of this process, as log records."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.sdk._logs import Logger as SdkLogger
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from batchtel.base import pristine
from batchtel.export.delivery import ExporterLog
from batchtel.telemetry.job_record import Event
from batchtel.telemetry.logs import QueueProcessor
from batchtel.version import __version__

_SEVERITIES: Final = {name: SeverityNumber[name] for name in ("INFO", "WARN", "ERROR")}

_SDK_LIMIT: Final = 128
"""Attributes of a log record that the SDK keeps where no variable sets another limit."""


class Events:
    """Emits events by `logger`, and those of few attributes directly to the `queue` that it ends in.

    What the SDK does on the way, a copy of the attributes within its limits, costs as much as all else of a step.
    """

    def __init__(self, logger: Logger, queue: QueueProcessor, environ: Mapping[str, str]) -> None:
        self._logger = logger
        self._queue = queue
        self._scope = InstrumentationScope("batchtel", __version__)
        is_limited = any("ATTRIBUTE" in name and name.endswith("_LIMIT") for name in environ)
        # It is none of the SDK's where OTEL_SDK_DISABLED turns that off.
        self._is_direct = isinstance(logger, SdkLogger) and not is_limited

    def emit(self, name: str, body: str, attributes: dict[str, Any], severity: str, context: Any) -> None:
        """Emit one event; `severity` is INFO, WARN or ERROR, `attributes` are the event's own from here on."""
        now = pristine.time_ns()
        record = Event(
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
            # As the SDK keeps them: none without a key, and lists as what nothing changes any more.
            attributes.pop("", None)
            for key, value in attributes.items():
                if type(value) is list:
                    attributes[key] = tuple(value)
            self._queue.queue(record, instrumentation_scope=self._scope)
        else:
            record.given = dict(attributes)
            # The SDK warns of each attribute beyond a limit, by a log record or a warning.
            with ExporterLog(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._logger.emit(record)
