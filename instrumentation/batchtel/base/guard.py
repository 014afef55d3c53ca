"""The guard around everything batchtel does inside a job: telemetry never raises.

A failure of ours is reported once a place, as a warning of the logger `batchtel`, and the job goes on.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import sys
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from batchtel.base import switch

if TYPE_CHECKING:
    from types import FrameType

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Default = TypeVar("Default")

LOGGER: Final = logging.getLogger("batchtel")
_reported: Final[set[str]] = set()
_kinds: Final[Counter[str]] = Counter()
_waiting: Final[deque[tuple[str, tuple[object, ...]]]] = deque()

KIND_LIMIT: Final = 5
"""Warnings of one kind, the part of a key before its first colon: names may be generated."""

LIMIT: Final = 50
"""Warnings of one process."""


INCOMPLETE: Final = "not everything of this process can be recorded: %s"
"""What is reported where the machine lacks something, which is no defect of any code."""


def lack(error: BaseException) -> str:
    """Return what is lacking where `error` shows it: memory, descriptors, threads or a package; else an empty text."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN):
        return f"something is short ({error.strerror})"
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "start new thread" in str(error)):
        return f"something is short ({str(error) or type(error).__name__})"
    return f"{error.name} is not installed" if isinstance(error, ModuleNotFoundError) else ""


def warn_once(key: str, message: str, *arguments: object) -> None:
    """Log `message` as a warning, once a process for each `key`: a loop over a million rows must not fill a log.

    Of one kind of keys, `kind:name`, there are at most 5, whatever the names are. OTEL_SDK_DISABLED=true silences it.
    """
    if key in _reported:
        return
    kind = key.partition(":")[0]
    if _kinds[kind] >= KIND_LIMIT or len(_reported) >= LIMIT or switch.is_off():
        return
    _kinds[kind] += 1
    _reported.add(key)
    if _kinds[kind] == KIND_LIMIT:
        message += " (further warnings of this kind are left out)"
    warn(message, *arguments)


def warn(message: str, *arguments: object) -> None:
    """Log a warning; from a thread of ours, where locks are green, at the next call of the job instead.

    Handlers write within a lock, and a green one that two threads of the system want is never released.
    """
    # Not at the top: a job that is turned off never warns, and where one is recorded it is loaded.
    from batchtel.base import native

    arguments = tuple(map(_shown, arguments))
    if native.is_ours() and native.is_green():
        _waiting.append((message, arguments))
    else:
        log_waiting()
        LOGGER.warning(message, *arguments)


def _shown(argument: object) -> object:
    """Return what can be formatted; `logging` would print a stack trace of an argument that fails in it."""
    if type(argument) in (str, int, float):
        return argument
    try:
        return str(argument)
    except Exception:
        return f"<{type(argument).__name__} str() failed>"


def log_waiting() -> None:
    """Log the warnings that waited for a thread of the job."""
    from batchtel.base import native

    while _waiting and not native.is_ours():
        message, arguments = _waiting.popleft()
        LOGGER.warning(message, *arguments)


def warned_elsewhere(key: str) -> None:
    """Keep this process from the warning `key`, which another process of the same installation gives once."""
    _reported.add(key)


def described(error: BaseException) -> str:
    """Return what an error of ours was and where, in one line: a stack trace in a job's log helps no user."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f", {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace is not None else ""
    try:
        text = " ".join(str(error).split())[:200]
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}{where}"


def of_job(error: Exception, frame: FrameType) -> BaseException | None:
    """Return what a signal handler of the job has raised below `frame`, if that has led to `error`; else None."""
    if not sys.is_finalizing():
        # Not at the top: few jobs need it. There may be no descriptor left to load it with.
        with contextlib.suppress(Exception):
            from batchtel.base.interrupts import raised_by_job

            return raised_by_job(error, frame)
    return None


def warn_of_failure(place: str, error: Exception) -> None:
    """Warn, once for each `place`, that it has raised: of what the machine lacks, else of a defect.

    Raises nothing: a logger or a handler of the job's may fail, too.
    """
    if sys.is_finalizing():
        # The interpreter is torn down: what fails for that is no defect, and there is nothing left to record with.
        return
    with contextlib.suppress(Exception):
        if lacking := lack(error):
            warn_once(f"lack:{lacking}", INCOMPLETE, lacking)
            return
        warn_once(
            place,
            "batchtel failed in %s and left the job alone; this is a defect of batchtel (%s)",
            place,
            described(error),
        )


def harmless(
    default: Default,
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result | Default]]:
    """Make a function return `default` where it would raise an Exception.

    BaseExceptions pass: KeyboardInterrupt and SystemExit belong to the job, whichever line they arrive at. So does what
    a signal handler of the job raises.
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result | Default]:
        @functools.wraps(function)
        def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result | Default:
            try:
                return function(*args, **kwargs)
            except RecursionError:
                # The job is as deep as it can be: no defect of ours, and no depth left to report anything.
                return default
            except Exception as error:
                if (own := of_job(error, sys._getframe())) is not None:
                    raise own  # noqa: B904  # it was raised before `error`
                warn_of_failure(function.__qualname__, error)
                return default

        return guarded

    return decorate
