"""Exceptions that a signal handler of the job raises while a call of batchtel runs: they belong to the job.

A handler of SIGALRM that raises is the usual time limit of a script. It is called between two instructions of the main
thread, whichever code these belong to (https://docs.python.org/3/library/signal.html#signals-and-threads).
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any


def raised_by_job(error: BaseException, frame: FrameType) -> BaseException | None:
    """Return the exception that a signal handler has raised below `frame`: `error`, or what has led to it; else None.

    Of an exception that the job handles already, the handler was not called below `frame`.
    """
    codes = _handlers()
    looked_at: set[int] = set()
    waiting: list[BaseException | None] = [error] if codes else []
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in looked_at:
            continue
        looked_at.add(id(one))
        trace = one.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code in codes and _is_below(trace.tb_frame, frame):
                return one
            trace = trace.tb_next
        waiting += [one.__context__, one.__cause__]
    return None


def _handlers() -> set[CodeType]:
    """Return the code of the signal handlers that are set; a program without `signal` has none."""
    module = sys.modules.get("signal")
    if module is None:
        return set()
    handlers = (module.getsignal(number) for number in module.valid_signals())
    return {code for handler in handlers if (code := _code(handler)) is not None}


def _code(handler: Any) -> CodeType | None:
    while hasattr(handler, "func"):
        handler = handler.func
    code = getattr(getattr(handler, "__func__", handler), "__code__", None)
    if code is None and callable(handler):
        code = getattr(type(handler).__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _is_below(frame: FrameType | None, above: FrameType) -> bool:
    while frame is not None:
        if frame is above:
            return True
        frame = frame.f_back
    return False
