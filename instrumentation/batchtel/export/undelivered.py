"""The data that was not delivered: how much of it is spooled, and how much is lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchtel.export.endpoint import Signal

_UNITS: Final = {
    "traces": ("span", "spans"),
    "logs": ("log record", "log records"),
    "metrics": ("metric export", "metric exports"),
}


class Undelivered:
    """The items of one signal that were not delivered.

    `spooled` has the items of each file of this process in the spool, `lost` how many were dropped or refused, `left`
    how many still wait at the end; `reason` is the last failure.
    """

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.spooled: dict[Path, int] = {}
        self.lost = 0
        self.left = 0
        self.refused_files = 0
        """Requests of earlier runs that the collector has refused for good, and that were dropped for it."""
        self.dropped_files = 0
        """Requests that were dropped from the spool, which is full."""
        self.reason = ""
        self.address = ""
        self.is_outage_reported = False

    def with_left(self, left: int, address: str) -> Undelivered:
        """Return this one, with what waits for `address` at the end."""
        self.left, self.address = left, address
        return self

    def settle(self, path: Path, delivered: bool) -> None:
        """Note that a spooled request was sent, or refused for good."""
        own = self.spooled.pop(path, 0)
        if not delivered:
            self.lost += own
            self.refused_files += not own


def sentence(reports: list[Undelivered], folder: str, seconds: float) -> str:
    """Return one sentence on the undelivered data of all signals; empty text where there was none."""
    reports = sorted(reports, key=lambda report: list(_UNITS).index(report.signal))
    spooled = _counted((report.signal, _there(report)) for report in reports)
    lost = _counted((report.signal, report.lost + report.left) for report in reports)
    old = sum(report.refused_files for report in reports)
    parts = []
    if lost:
        parts.append(f"lost: {lost}, {_why(reports, seconds)}")
        if not folder and any(report.left for report in reports):
            parts.append("set BATCHTEL_SPOOL_DIR to a folder that keeps them for the next run")
    if old:
        parts.append(f"lost: of earlier runs {old} spooled {'request' if old == 1 else 'requests'}, refused for good")
    if dropped := sum(report.dropped_files for report in reports):
        requests = "request, the oldest" if dropped == 1 else "requests, the oldest"
        parts.append(f"dropped from the spool {folder}, which is full: {dropped} {requests}")
    if spooled:
        parts.append(f"spooled in {folder}: {spooled}, for the next run or `batchtel spool send` to send")
    if not parts and any(report.is_outage_reported for report in reports):
        return "everything is delivered"
    return "; ".join(parts)


def _there(report: Undelivered) -> int:
    # A file that is gone was sent by another process, or had to make room.
    return sum(items for path, items in report.spooled.items() if path.exists())


def _counted(items: Iterable[tuple[Signal, int]]) -> str:
    counted = [f"{count} {_UNITS[signal][count != 1]}" for signal, count in items if count]
    return " and ".join((", ".join(counted[:-1]), counted[-1])) if len(counted) > 1 else "".join(counted)


def _why(reports: list[Undelivered], seconds: float) -> str:
    late = next((report for report in reports if report.left), None)
    if late is not None:
        reason = f" ({late.reason})" if late.reason else ""
        return f"not acknowledged by {late.address} within {seconds:g} s{reason}"
    return next((f"the last reason: {report.reason}" for report in reports if report.lost and report.reason), "dropped")
