"""Modules of telemetry that stay what they are, whatever becomes of `sys.modules`.

`unittest.mock.patch.dict(sys.modules)` and pyfakefs remove everything at their end that was imported since, and for
a moment all there is. What telemetry then imported again would be a second copy: enumerations that are not equal to the
first ones, and C code of protobuf that ends the interpreter by SIGSEGV. Modules are put back, and who imports one in
between gets the first copy.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final

from batchtel.base import native

_ROOTS: Final = {"batchtel", "opentelemetry", "google", "grpc"}
"""Packages that cannot be there twice, for all threads; of others the job finds what it would find without us."""

_kept: Final[dict[str, ModuleType]] = {}
_newest = "sys"
_left: Final[set[str]] = set()
"""Names that the job has modules of its own for."""


class _Finder:
    """Finds and loads the kept modules; its base classes in importlib.abc would cost 5 ms of every start."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        is_kept = name in _kept and target is None and (_is_root(name) or native.is_ours())
        return ModuleSpec(name, _FINDER) if is_kept else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _kept[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put the specification there by which it was found now.
        module.__spec__ = _specs.get(module.__name__)


_FINDER: Final[Any] = _Finder()
_specs: Final[dict[str, ModuleSpec | None]] = {}


def keep() -> None:
    """Keep what has been imported of telemetry, and all that it rests on."""
    global _newest
    for name in list(sys.modules):
        module = sys.modules.get(name)
        if isinstance(module, ModuleType) and name != "__main__":
            _newest = name if _is_root(name) else _newest
            _kept.setdefault(name, module)
            _specs.setdefault(name, getattr(module, "__spec__", None))
    # Not the first one: pyfakefs removes that at its end, whoever's it is.
    if _FINDER not in sys.meta_path and PathFinder in sys.meta_path:
        sys.meta_path.insert(sys.meta_path.index(PathFinder), _FINDER)


def restore(*, thoroughly: bool = True) -> None:
    """Put back what is missing of it; not `thoroughly`, only where the newest is."""
    if thoroughly or _newest not in sys.modules:
        for name, module in list(_kept.items()):
            if _is_root(name):
                sys.modules.setdefault(name, module)


@contextlib.contextmanager
def apart_from(folder: str | None) -> Iterator[None]:
    """Import nothing from `folder`, that of a program which has not begun, if it is elsewhere; then give way to it.

    A `http.py` beside the script would otherwise be executed by whoever imports Python's, and Python's be hidden from
    the script. Whoever has imported ours holds it. `opentelemetry-instrument` puts the current folder in front, too.
    """
    before, found = {name.partition(".")[0] for name in sys.modules}, sys.path[:]
    try:
        theirs = {os.path.realpath(folder or "."), os.getcwd()}
        own = [entry for entry in found if os.path.realpath(entry or ".") in theirs]
    except OSError:
        folder = None  # the current folder is gone
    if folder is None:
        yield
        return
    # A folder that is deployed whole, as functions are, has our packages beside the script.
    last = [entry for entry in own if os.path.isdir(os.path.join(entry, "opentelemetry"))]
    sys.path[:] = [*(entry for entry in found if entry not in own), *last]
    try:
        yield
    finally:
        sys.path[:] = found
        _give_way(before, os.path.realpath(folder))


def _give_way(before: set[str], folder: str) -> None:
    keep()
    for top in {name.partition(".")[0] for name in sys.modules} - before:
        own = (os.path.join(folder, f"{top}.py"), os.path.join(folder, top, "__init__.py"))
        ours = os.path.realpath(getattr(sys.modules.get(top), "__file__", None) or os.devnull)
        if ours not in own and any(map(os.path.isfile, own)):
            _left.add(top)
    hand_back()


def hand_back() -> None:
    """Remove the modules again of which the program has its own: our threads import them, too."""
    if _left:
        for name, module in list(_kept.items()):
            if name.partition(".")[0] in _left and sys.modules.get(name) is module:
                sys.modules.pop(name, None)


def _is_root(name: str) -> bool:
    top = name.partition(".")[0]
    return top in _ROOTS and top not in _left
