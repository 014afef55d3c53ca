"""The exit status that the interpreter reads when SystemExit ends the program.

Neither atexit handlers nor excepthooks receive it. The interpreter reads the attribute `code` of the SystemExit that
ends the program, from C and with no Python frame below; any other read comes from Python code. So the descriptor of
that attribute sees each exit, whatever runs the program (`-m`, a zip, runpy, pytest) and whoever raises, also a hook.
Nothing is paid before, unlike with `sys.monitoring`, which calls back for each frame that any exception leaves.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Generator
from typing import Any, Final


class ExitStatus:
    """Watches SystemExit; `final` is a copy of the one that ended the program, None if none did."""

    def __init__(self) -> None:
        self.final: SystemExit | None = None
        self._restore: list[Callable[[], None]] = []
        self._watch_code()
        if sys.version_info < (3, 12):
            self._raise_instances()

    def stop(self) -> None:
        """Put back what was replaced, unless somebody has replaced it since."""
        while self._restore:
            self._restore.pop()()

    def _watch_code(self) -> None:
        # The type is immutable from Python, its dictionary is not.
        members = gc.get_referents(SystemExit.__dict__)[0]
        before = members["code"]
        watched = _Code(before, self)

        def restore() -> None:
            if members["code"] is watched:
                _replace(members, before)

        _replace(members, watched)
        self._restore.append(restore)

    def _raise_instances(self) -> None:
        """Make `sys.exit` raise an object, as from Python 3.12 on; before, it is a class and a code until caught.

        Without a frame of ours, which the traceback of an exception that follows would show: a generator that has ended
        raises what is thrown into it, from C.
        """
        before, exit_ = sys.exit, _Exit(_ended().throw, SystemExit)

        def restore() -> None:
            if sys.exit is exit_:
                sys.exit = before

        sys.exit = exit_
        self._restore.append(restore)


class _Code:
    """The attribute `code` of SystemExit, as it was, with a note of the read that ends the program."""

    def __init__(self, member: Any, status: ExitStatus) -> None:
        self._member = member
        self._status = status

    def __get__(self, exception: SystemExit | None, owner: type | None = None) -> Any:
        if exception is None:
            return self._member.__get__(None, owner)
        code = self._member.__get__(exception, owner)
        try:
            sys._getframe(1)
        except ValueError:
            self._status.final = SystemExit(code)
        return code

    def __set__(self, exception: SystemExit, code: Any) -> None:
        self._member.__set__(exception, code)

    def __delete__(self, exception: SystemExit) -> None:
        self._member.__delete__(exception)


class _Exit(functools.partial[Any]):
    """`sys.exit`, which is pickled by its name and shown as what it stands for."""

    __name__ = __qualname__ = "exit"
    __doc__ = sys.exit.__doc__

    def __reduce__(self) -> str:  # type: ignore[override,unused-ignore]
        return "exit"

    def __repr__(self) -> str:
        return "<built-in function exit>"


_Exit.__module__ = "sys"


def _replace(members: dict[str, Any], descriptor: Any) -> None:
    members["code"] = descriptor
    # The type does not notice a change of its dictionary, and attributes that were found are cached.
    _clear_caches()


_clear_caches: Final[Callable[[], None]] = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache


def _ended() -> Generator[None, None, None]:
    ended: Generator[None, None, None] = (item for item in list[None]())
    ended.close()
    return ended
