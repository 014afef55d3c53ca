"""The program of this process: what it is called, and how it ended, which Python itself tells nobody.

Neither atexit handlers nor excepthooks learn the exit code of a program that ends by SystemExit. From Python 3.12 on
the unwinding of the main module is watched (PEP 669: nothing is paid until an exception leaves a frame). On 3.11
`sys.exit` is wrapped; there a bare `raise SystemExit(3)` goes unseen.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, NoReturn

from batchtel.outcome import Outcome

_TOOL_NAME: Final = "batchtel"


def program_name(arguments: Sequence[str]) -> str:
    """Return what is run, from `sys.orig_argv`: the module of `-m`, else the script without folder and `.py`."""
    for position, argument in enumerate(arguments[1:], start=1):
        if argument == "-m" and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument in ("-W", "-X"):
            continue
        if not argument.startswith("-") and arguments[position - 1] not in ("-W", "-X"):
            return os.path.basename(argument).removesuffix(".py")
        if argument.startswith("-c"):
            break
    return "python"


class ProgramEnd:
    """Watches how the program ends; what is watched goes on as before."""

    def __init__(self) -> None:
        self._exception: BaseException | None = None
        self._restore: list[Callable[[], None]] = []
        self._chain_excepthook()
        if sys.version_info < (3, 12) or not self._watch_unwinding():
            self._wrap_exit()

    def outcome(self) -> Outcome:
        """Return how the program ended, once its main module is done."""
        return Outcome.of(self._exception)

    def stop(self) -> None:
        """Put back what was wrapped, unless somebody has wrapped it since."""
        while self._restore:
            self._restore.pop()()

    def _chain_excepthook(self) -> None:
        before = sys.excepthook

        def excepthook(kind: type[BaseException], exception: BaseException, trace: TracebackType | None) -> None:
            self._exception = exception
            before(kind, exception, trace)

        def restore() -> None:
            if sys.excepthook is excepthook:
                sys.excepthook = before

        sys.excepthook = excepthook
        self._restore.append(restore)

    def _wrap_exit(self) -> None:
        before = sys.exit
        end = self

        class Exit(SystemExit):
            def __del__(self) -> None:
                # The interpreter drops the one that ends the program when no frame is left; one that the program
                # caught dies below some frame, and has ended nothing.
                if sys._getframe().f_back is None:
                    end._exception = SystemExit(self.code)

        Exit.__name__ = Exit.__qualname__ = SystemExit.__name__
        Exit.__module__ = SystemExit.__module__

        def exit(code: Any = None, /) -> NoReturn:  # noqa: A001  # takes its place
            raise Exit(code)

        def restore() -> None:
            if sys.exit is exit:
                sys.exit = before

        sys.exit = exit
        self._restore.append(restore)

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
