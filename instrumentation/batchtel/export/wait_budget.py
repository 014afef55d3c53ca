"""The time that all processes of one job have waited in vain for the collector: one sum with one limit.

Thirty workers that end one after the other would wait thirty times. The sum is in the memory that the processes of a
run share (`batchtel.base.shared_counts`), or in this process alone; it returns to 0 when the collector replies.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from batchtel.base import pristine
from batchtel.base.guard import harmless
from batchtel.base.shared_counts import Tally

SPOOL_TIMEOUT: Final = 1.0
"""Seconds that writing to the spool may add to a flush."""

REPORTS: Final = 5
"""Processes of a job, beside the one that has opened its run, that report what became of their data."""

_STATE: Final = struct.Struct("=ddII")


class _State(NamedTuple):
    """Seconds that were waited in vain, when the latest wait ends (monotonic), warnings of the outage, and reports."""

    waited: float = 0.0
    until: float = 0.0
    warnings: int = 0
    reports: int = 0


_tally: Tally | None = None
_is_joined = False
_own = _State()
_place_around: Callable[[], str] = str


def find_around(find: Callable[[], str]) -> None:
    """Ask `find` for the place of the tally of the run around this process, which is empty if there is none."""
    global _place_around
    _place_around = find


def spent() -> float:
    """Return the seconds that all processes of the job have waited in vain since the collector has answered last."""
    return _state().waited


def left(seconds: float) -> float:
    """Return how long a process may wait from now on, of `seconds` in all; waiting beside another one costs nothing."""
    state = _state()
    return max(0.0, seconds - state.waited) + max(0.0, state.until - pristine.monotonic())


def reserve(seconds: float) -> float:
    """Note that this process waits from now on, `seconds` at most; return how much longer the job waits for that."""
    state, now = _state(), pristine.monotonic()
    until = max(state.until, now + seconds)
    more = until - max(state.until, now)
    _keep(state._replace(waited=state.waited + more, until=until))
    return more


def give_back(seconds: float) -> None:
    """Return what was reserved: the wait was not in vain."""
    state = _state()
    _keep(state._replace(waited=max(0.0, state.waited - seconds), until=state.until - seconds))


def restore() -> None:
    """Start again at 0: the collector has replied."""
    _keep(_State())


def may_warn() -> bool:
    """Return whether no process of the job has warned of the outage, or this one opened it; from now on, one has."""
    state = _state()
    _keep(state._replace(warnings=state.warnings + 1))
    return not (state.warnings and is_part())


def may_report() -> bool:
    """Return whether this process reports what became of its data: the one that opened the run, and some others."""
    state = _state()
    _keep(state._replace(reports=state.reports + 1))
    return not (state.reports >= REPORTS and is_part())


def is_part() -> bool:
    """Return whether another process of the job ends after this one, and wants to wait as well."""
    return _is_joined or (_tally is not None and not _tally.is_ours)


@harmless(None)
def share(tally: Tally | None, *, joins: bool) -> None:
    """Keep the sum in `tally` from now on: that of a run which this process has opened, or `joins`."""
    global _tally, _is_joined
    if tally is None or (not joins and (is_part() or _find())):
        return
    state = None if joins else _state()
    _tally, _is_joined = tally, joins
    if state is not None:
        _keep(state)


@harmless(None)
def leave(tally: Tally) -> None:
    """Keep the sum here: `tally`, of a run that this process has opened, is about to be closed."""
    global _tally, _own
    if tally is _tally and not _is_joined:
        _own, _tally = _state(), None


@harmless(False)
def _find() -> bool:
    """Share the sum of the run around, of which a run that this process opens is a part; False if there is none."""
    if _tally is None and (place := _place_around()):
        share(Tally(place), joins=True)
    return _is_joined


def _state() -> _State:
    if _tally is None:
        _find()
    content = _tally.shared(_STATE.size) if _tally is not None else b""
    return _State(*_STATE.unpack(content)) if len(content) == _STATE.size else _own


def _keep(state: _State) -> None:
    global _own
    _own = state
    if _tally is not None:
        _tally.put_shared(_STATE.pack(*state))


def _forget() -> None:
    # Of what was waited before any memory was shared a child has waited nothing.
    global _own
    if _tally is None:
        _own = _State()


os.register_at_fork(after_in_child=_forget)
