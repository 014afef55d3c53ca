"""The name of a job, for an application or a query whose name may hold a date or an id."""

from __future__ import annotations

import re
from typing import Final

from batchtel.base.guard import harmless, warn_once
from batchtel.base.values import text_of
from batchtel.catalogue import reader
from batchtel.schema import settings

UNBOUNDED: Final = (
    "the name %.80r holds a date or an id, so each run would be a job of its own; name the job: "
    "application(spark, name=...), or an entry of the catalogue with the part before the date"
)

_SEPARATORS: Final = " -_.:/@#+|"

_VARYING: Final = re.compile(r"\d{6,}|\d{4}.\d{1,2}.\d{1,2}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-|(?=[a-f]*\d)[0-9a-f]{12,}")
"""What a name of few jobs does not hold: a date, a time of the clock, a number of six digits, a UUID, a hash."""


def job_name(name: str) -> str:
    """Return the job that `name` means: the entry of the catalogue that it is or, before dates and ids, begins with.

    `orders-2026-11-28` is `orders` where the catalogue has that; `orders-refunds` is not, it holds no date.
    """
    return _of_catalogue(name) or _itself(name)


def _itself(name: str) -> str:
    if _VARYING.search(name):
        warn_once("spark:name", UNBOUNDED, text_of(name))
    return name


@harmless("")
def _of_catalogue(name: str) -> str:
    path = settings.read().catalogue
    if not path:
        return ""
    listed = reader.names(path)
    if name in listed:
        return name
    begun = [one for one in listed if one and name.startswith(one) and _is_varying(name[len(one) :])]
    return max(begun, key=len, default="")


def _is_varying(rest: str) -> bool:
    """Whether each part of what follows a name holds a digit: a date, a time, a number, an id."""
    parts = [part for part in re.split(f"[{re.escape(_SEPARATORS)}]+", rest) if part]
    return rest[0] in _SEPARATORS and bool(parts) and all(any(sign.isdigit() for sign in part) for part in parts)
