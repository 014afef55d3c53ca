"""The program of this process: its name, what runs it, and how it ended.

An exit handler receives neither an exit status nor an exception. An uncaught exception is in `sys.last_value`, whatever
has replaced `sys.excepthook`; the exit status is noted where the interpreter reads it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import BuiltinImporter
from types import FrameType, TracebackType
from typing import Final

from batchtel.auto.exit_status import ExitStatus
from batchtel.base import pristine
from batchtel.base.outcome import Outcome

_NOT_FLUSHED: Final = 120
"""Exit code of the interpreter where what was printed cannot be written at the end."""


def program_name(arguments: Sequence[str]) -> str:
    """Return what is run, from `sys.orig_argv`: the module of `-m`, else the script without folder and `.py`.

    Text of `-c` and of stdin has no name: `python`.
    """
    way, what = _program(arguments)
    if way == "script":
        return os.path.basename(what.rstrip("/")).removesuffix(".py")
    return what if way == "m" else "python"


def program_folder(arguments: Sequence[str]) -> str | None:
    """Return the folder whose modules the program can import, from `sys.orig_argv`; None if there is none."""
    way, what = _program(arguments)
    if sys.flags.safe_path:
        return None
    if way != "script":
        return "."
    return what if os.path.isdir(what) else os.path.dirname(os.path.realpath(what))


def _program(arguments: Sequence[str]) -> tuple[str, str]:
    """Return how the program is given (`script`, `m`, `c` or `stdin`) and what is given.

    Options are read as the interpreter reads them, for a name made of code or of an argument would be another one each
    time.
    """
    rest = list(arguments[1:])
    while rest:
        argument = rest.pop(0)
        if argument.startswith("--"):
            del rest[: argument == "--check-hash-based-pycs"]
        elif argument == "-":
            break
        elif not argument.startswith("-"):
            return "script", argument
        else:
            option = next((position for position, letter in enumerate(argument) if letter in "cmWX"), 0)
            value = argument[option + 1 :] or (rest.pop(0) if option and rest else "")
            if option and argument[option] in "cm" and value:
                return argument[option], value
    return "stdin", ""


class ProgramEnd:
    """Watches how the program ends; what is watched goes on as before."""

    def __init__(self) -> None:
        self._status = ExitStatus()
        self._last_before = _last_exception()
        self._main = vars(sys.modules["__main__"])

    def outcome(self) -> Outcome:
        """Return how the program ended, once its main module is done."""
        exit_status = self._status.final
        exception = self._uncaught()
        if exception is not None:
            outcome = Outcome.of(exception)
            # A hook for uncaught exceptions may end the program with a code of its own; 0 makes no success of it.
            return outcome if exit_status is None else outcome._replace(exit_code=Outcome.of(exit_status).exit_code)
        missing = self._not_started() if exit_status is None else None
        if missing is not None:
            # A folder that holds no program ends with 1: see pymain_run_file in Modules/main.c.
            return Outcome.of(missing)._replace(exit_code=1 if isinstance(missing, IsADirectoryError) else 2)
        outcome = Outcome.of(exit_status)
        if outcome.status == "success" and (error := _unflushed()) is not None:
            return Outcome.of(error)._replace(status="failure", exit_code=_NOT_FLUSHED)
        return outcome

    def stop(self) -> None:
        """Put back what was replaced to watch."""
        self._status.stop()

    def _uncaught(self) -> BaseException | None:
        """Return the exception that left the main module or kept it from being compiled, None if none did.

        Libraries set `sys.last_value`, too, for a debugger (pytest, tkinter, consoles), to an exception that they have
        caught: it begins in a frame below the main module.
        """
        last = _last_exception()
        # At a prompt (`python -i`) an exception ends a line, and nothing else.
        if last is None or last is self._last_before or hasattr(sys, "ps1"):
            return None
        trace: TracebackType | None = getattr(sys, "last_traceback", None)
        return last if trace is None or _is_the_program(trace.tb_frame) else None

    def _not_started(self) -> OSError | None:
        """Return what kept the interpreter from opening the script; None if it was opened."""
        way, path = _program(sys.orig_argv)
        if way != "script" or self._main.get("__loader__") is not BuiltinImporter:
            return None
        try:
            with pristine.open(path, "rb"):
                return OSError(f"{path} was not opened")
        except OSError as error:
            return error.with_traceback(None)


def _last_exception() -> BaseException | None:
    last: BaseException | None = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return last


def _is_the_program(frame: FrameType) -> bool:
    """Whether `frame` is an outermost one and the main module or what runs it (`-m`); an exit handler is not."""
    if frame.f_back is not None:
        return False
    if frame.f_code.co_name == "<module>":
        return frame.f_globals.get("__name__") == "__main__"
    return frame.f_globals.get("__name__") == "runpy"


def _unflushed() -> BaseException | None:
    """Return what keeps stdout or stderr from being written; the interpreter, which flushes them next, finds the same.

    What cannot be written stays in the buffer.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except Exception as error:
            return error.with_traceback(None)
    return None
