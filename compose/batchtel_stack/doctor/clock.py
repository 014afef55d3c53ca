"""Compare the clock of this machine with those of the servers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import urllib3

from batchtel_stack.doctor.finding import Finding

CHECK: Final = "clock"

TOLERANCE: Final = 30.0
"""Seconds. Beyond 60 the collector clamps the times of states; Date headers have whole seconds."""


def compare(urls: Mapping[str, str]) -> Iterator[Finding]:
    """Compare this machine's clock with the Date header of each address; `urls` is name -> address.

    Addresses that do not answer are reported by other checks.
    """
    offsets = {name: offset for name, url in urls.items() if (offset := _ahead(url)) is not None}
    off = {name: seconds for name, seconds in offsets.items() if abs(seconds) > TOLERANCE}
    for name, seconds in off.items():
        way = "behind" if seconds < 0 else "ahead of"
        yield Finding(
            CHECK,
            "wrong",
            f"this machine's clock is {abs(seconds):.0f} s {way} that of {name}: times of states and log records are "
            "replaced, and lines of one run can be out of order",
            "set both clocks by NTP: timedatectl set-ntp true (containers have the clock of their host)",
        )
    if offsets and not off:
        yield Finding(CHECK, "ok", f"within {TOLERANCE:.0f} s of {', '.join(offsets)}")


def _ahead(url: str) -> float | None:
    """Return how many seconds this machine's clock is ahead of the server's, None if it sends no Date header."""
    before = time.time()
    try:
        answer = urllib3.request("GET", url, timeout=5.0, retries=False, redirect=False)
    except urllib3.exceptions.HTTPError:
        return None
    middle = (before + time.time()) / 2
    try:
        return middle - parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except ValueError:
        return None
