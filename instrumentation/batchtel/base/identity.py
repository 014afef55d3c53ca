"""Names and ids: what a job is called, and which run of it this is."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from batchtel.base import pristine
from batchtel.base.guard import warn_once
from batchtel.base.values import text_of
from batchtel.schema.limits import HASH_LENGTH, NAME_LENGTH, NAME_LIMIT

# A CronJob names its Jobs <cronjob>-<minutes since 1970>, and a Job its pods <job>-<5 characters>
# (https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#cron-job-creation).
_CRONJOB_POD = r"(?P<cronjob>.+)-\d{8,10}-[a-z0-9]{5}"
_CRONJOB_DATE = r"-\d{8,10}(-[a-z0-9]{5})?$"

UNKNOWN = "unknown"
"""The name of what has none."""


class Name:
    """The name of a job, step or type: `whole` on spans and events, `label` on metrics, where it is bounded.

    No named tuple: the first one of a process costs 2 ms, which a job that is turned off need not pay.
    """

    __slots__ = ("label", "whole")

    def __init__(self, whole: str, label: str) -> None:
        self.whole = whole
        self.label = label


def clean_name(name: object, what: str) -> Name:
    """Make `name` fit to be recorded: text without control characters, and a label of it in 1 to 120 bytes.

    A name that had to be changed is reported once; `what` names its owner: a job, a step, a type.
    """
    text = text_of(name)
    whole = _cut(_printable(text), NAME_LENGTH) or UNKNOWN
    label = bounded(whole)
    if label != text:
        warn_once(f"name:{label}", "%s name %.60r is recorded as %.150r", what, text, label)
    return Name(whole, label)


def is_name(text: str) -> bool:
    """Return whether `text` is the name of a job as it would be recorded."""
    return bool(text) and _cut(_printable(text), NAME_LENGTH) == text


def bounded(text: str) -> str:
    """Cut `text` to a label of 120 bytes of printable characters, without spaces around.

    What is cut ends with a hash of the whole, so that texts of one beginning stay apart. The collector cuts labels at
    the same number of bytes, which leaves this one whole.
    """
    return _cut(_printable(text), NAME_LIMIT)


def _printable(text: str) -> str:
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "?" for character in text)
    return text.strip()


def _cut(text: str, limit: int) -> str:
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    import hashlib

    mark = "-" + hashlib.sha256(encoded).hexdigest()[:HASH_LENGTH]
    return encoded[: limit - len(mark)].decode(errors="ignore").rstrip() + mark


def default_job(program: str, environ: Mapping[str, str] = os.environ) -> str:
    """Name the job of a program that does not name it itself.

    BATCHTEL_JOB, else OTEL_SERVICE_NAME, else the Kubernetes CronJob that started this pod, else the program's base
    name. The date that a CronJob puts into the names of its Jobs and pods is removed: it would make a series a run.
    """
    in_kubernetes = "KUBERNETES_SERVICE_HOST" in environ
    name = environ.get("BATCHTEL_JOB") or environ.get("OTEL_SERVICE_NAME") or ""
    if not name and in_kubernetes:
        pod = re.fullmatch(_CRONJOB_POD, environ.get("HOSTNAME", ""))
        name = pod["cronjob"] if pod else ""
    if in_kubernetes:
        name = re.sub(_CRONJOB_DATE, "", name)
    return name or os.path.basename(program) or UNKNOWN


def new_run_id() -> str:
    """Make a UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, so that run ids sort by time."""
    milliseconds = pristine.time_ns() // 1_000_000
    random = int.from_bytes(pristine.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random & (1 << 80) - 1
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
