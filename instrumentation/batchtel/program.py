"""The program of this process: what it is called, and how it ended, which Python itself tells nobody.

Neither atexit handlers nor excepthooks learn the exit code of a program that ends by SystemExit. From Python 3.12 on
the unwinding of the main module is watched (PEP 669: nothing is paid until an exception leaves a frame). On 3.11
`sys.exit` notes its code, and the main module's frame tells whether the program was left by it; there a bare
`raise SystemExit(3)` goes unseen.
"""

from __future__ import annotations

import opcode
import os
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Final, NoReturn

from batchtel.guard import harmless
from batchtel.outcome import Outcome

_TOOL_NAME: Final = "batchtel"


def program_name(arguments: Sequence[str]) -> str:
    """Return what is run, from `sys.orig_argv`: the module of `-m`, else the script without folder and `.py`.

    Text of `-c` and of stdin has no name: `python`. Options are read as the interpreter reads them, for a name made of
    code or of an argument would be another one each time.
    """
    rest = list(arguments[1:])
    while rest:
        argument = rest.pop(0)
        if argument.startswith("--"):
            del rest[: argument == "--check-hash-based-pycs"]
        elif argument == "-":
            break
        elif not argument.startswith("-"):
            return os.path.basename(argument.rstrip("/")).removesuffix(".py")
        else:
            takes = next((position for position, letter in enumerate(argument) if letter in "cmWX"), 0)
            value = argument[takes + 1 :] or (rest.pop(0) if takes and rest else "")
            if takes and argument[takes] == "c":
                break
            if takes and argument[takes] == "m" and value:
                return value
    return "python"


class ProgramEnd:
    """Watches how the program ends; what is watched goes on as before."""

    def __init__(self) -> None:
        self._exception: BaseException | None = None
        self._exit: tuple[FrameType, SystemExit] | None = None
        self._restore: list[Callable[[], None]] = []
        self._chain_excepthook()
        if sys.version_info < (3, 12) or not self._watch_unwinding():
            self._wrap_exit()

    def outcome(self) -> Outcome:
        """Return how the program ended, once its main module is done."""
        if self._exception is None and self._exit is not None:
            frame, exception = self._exit
            if not _has_returned(frame):
                return Outcome.of(exception)
        return Outcome.of(self._exception)

    def stop(self) -> None:
        """Put back what was wrapped, unless somebody has wrapped it since."""
        self._exit = None
        while self._restore:
            self._restore.pop()()

    def _chain_excepthook(self) -> None:
        before = sys.excepthook

        def excepthook(kind: type[BaseException], exception: BaseException, trace: TracebackType | None) -> None:
            self._exception = exception
            _hide_exit(exception)
            before(kind, exception, trace)

        def restore() -> None:
            if sys.excepthook is excepthook:
                sys.excepthook = before

        sys.excepthook = excepthook
        self._restore.append(restore)

    def _wrap_exit(self) -> None:
        before = sys.exit

        def exit(code: Any = None, /) -> NoReturn:  # noqa: A001  # takes its place
            self._note_exit(code)
            before(code)

        def restore() -> None:
            if sys.exit is exit:
                sys.exit = before

        sys.exit = exit
        self._restore.append(restore)

    def _note_exit(self, code: Any) -> None:
        """Keep `code` with the program's outermost frame, which tells at the end whether the program was left by it."""
        if threading.current_thread() is threading.main_thread():
            frame: FrameType | None = sys._getframe(2)
            while frame is not None and frame.f_back is not None:
                frame = frame.f_back
            if frame is not None and _is_the_program(frame):
                self._exit = (frame, SystemExit(code))

    def _watch_unwinding(self) -> bool:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        tool = next((number for number in range(5, 2, -1) if monitoring.get_tool(number) is None), None)
        if tool is None:
            return False

        def unwound(code: Any, offset: int, exception: BaseException) -> None:
            # The frame of the main module is the outermost one; the last exception to leave it ends the program.
            if code.co_name == "<module>" and isinstance(exception, SystemExit):
                frame = sys._getframe(1)
                if frame.f_globals.get("__name__") == "__main__" and frame.f_back is None:
                    self._exception = exception

        monitoring.use_tool_id(tool, _TOOL_NAME)
        monitoring.register_callback(tool, monitoring.events.PY_UNWIND, unwound)
        monitoring.set_events(tool, monitoring.events.PY_UNWIND)
        self._restore.append(lambda: monitoring.free_tool_id(tool))
        return True


@harmless(None)
def _hide_exit(exception: BaseException | None) -> None:
    """Take our frame off the SystemExits that the traceback of `exception` will show as what was handled before."""
    seen: list[BaseException] = []
    while exception is not None and not any(exception is one for one in seen):
        seen.append(exception)
        entry = exception.__traceback__
        while entry is not None:
            below = entry.tb_next
            if below is not None and below.tb_frame.f_code.co_name == "exit" and below.tb_frame.f_globals is globals():
                entry.tb_next = below = None
            entry = below
        exception = exception.__cause__ or exception.__context__


def _is_the_program(frame: FrameType) -> bool:
    """Whether `frame`, an outermost one, is the main module or runs it (`-m`); an exit handler is not."""
    if frame.f_code.co_name == "<module>":
        return frame.f_globals.get("__name__") == "__main__"
    return frame.f_globals.get("__name__") == "runpy"


def _has_returned(frame: FrameType) -> bool:
    """Whether `frame`, which is no longer running, came to its end: whoever called sys.exit() caught that later."""
    last = frame.f_code.co_code[frame.f_lasti] if frame.f_lasti >= 0 else 0
    return opcode.opname[last] in ("RETURN_VALUE", "RETURN_CONST")
