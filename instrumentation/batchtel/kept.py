"""Modules of telemetry that stay what they are, whatever becomes of `sys.modules`.

`unittest.mock.patch.dict(sys.modules)` and pyfakefs take everything away at their end that was imported since, and for
a moment all there is. What telemetry then imported again would be a second copy: enumerations that are not equal to the
first ones, and C code of protobuf that ends the interpreter by SIGSEGV. Modules are put back, and who imports one in
between gets the first copy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Final

from batchtel import native

_ROOTS: Final = {"batchtel", "opentelemetry", "google", "grpc"}
"""Packages that cannot be there twice, for all threads; of others the job finds what it would find without us."""

_kept: Final[dict[str, ModuleType]] = {}
_newest = "sys"
_left: Final[set[str]] = set()
"""Names that the job has modules of its own for."""


class _Finder(MetaPathFinder, Loader):
    """Finds the kept modules."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        is_kept = name in _kept and target is None and (_is_root(name) or native.is_ours())
        return ModuleSpec(name, self) if is_kept else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _kept[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        # The import system has put the specification there by which it was found now.
        module.__spec__ = _specs.get(module.__name__)


_FINDER: Final = _Finder()
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
    # Not the first one: pyfakefs takes that away at its end, whoever's it is.
    if _FINDER not in sys.meta_path and PathFinder in sys.meta_path:
        sys.meta_path.insert(sys.meta_path.index(PathFinder), _FINDER)


def restore(*, thoroughly: bool = True) -> None:
    """Put back what is missing of it; not `thoroughly`, only where the newest is."""
    if thoroughly or _newest not in sys.modules:
        for name, module in _kept.items():
            if _is_root(name):
                sys.modules.setdefault(name, module)


def give_way(before: set[str], folder: str) -> None:
    """Let a program find its own modules in `folder` that have names of what was imported since `before`.

    A `http.py` beside the script would otherwise be hidden from it. Whoever has imported ours holds it.
    """
    added = [name for name in sys.modules if name.partition(".")[0] not in before]
    tops = {name.partition(".")[0] for name in added}
    _left.update(top for top in tops if any(os.path.exists(os.path.join(folder, top + end)) for end in ("", ".py")))
    for name in added:
        if name.partition(".")[0] in _left:
            del sys.modules[name]


def _is_root(name: str) -> bool:
    top = name.partition(".")[0]
    return top in _ROOTS and top not in _left
