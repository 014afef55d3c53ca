"""Limits of what leaves a job: numbers of records and attributes, lengths of texts and names."""

from __future__ import annotations

from typing import Final

RUN_EVENT_LIMIT: Final = 100
"""Failed records of one run that are logged one by one."""

RUN_LOG_LIMIT: Final = 10_000
"""The job's own log records of one run that are sent as they come; one event reports that there were more."""

RUN_WARNING_LIMIT: Final = 10_000
"""Log records at WARNING and above that are sent beyond them."""

RUN_LAST_LIMIT: Final = 1_000
"""Log records before the end of a run that are sent at its end, where there are more than the first."""

BODY_LIMIT: Final = 65_536
"""Characters of a log record's body that are kept."""

VALUE_LIMIT: Final = 16_384
"""Characters of an attribute value, of an exception's message and of a stack trace that are kept."""

ATTRIBUTE_LIMIT: Final = 64
"""Attributes of the user's own that a run keeps; the SDK drops from 128 in all, the oldest first."""

SOURCE_LIMIT: Final = 100
"""Inputs, and outputs, of a run or a step that are named."""

SOURCE_LENGTH: Final = 256
"""Characters of the name of an input or output that are kept; 100 of each are 50 KiB, of the 64 that Loki accepts."""

CUT_MARKER: Final = "...[truncated]..."
"""Stands where something was cut."""

NAME_LIMIT: Final = 120
"""Bytes of a label, in UTF-8, that are kept, with a hash at its end if it was longer; the collector cuts there, too."""

NAME_LENGTH: Final = 1024
"""Bytes of a job, step or type name that are kept on spans and events; Loki accepts stream labels of 2,048."""

HASH_LENGTH: Final = 8
"""Hexadecimal digits of the hash by which cut names stay apart."""
