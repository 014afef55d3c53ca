"""Public names of a package that are imported where they are first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from batchtel.base.ignoring import IGNORING


def importer(namespace: dict[str, Any], homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package: `batchtel run` starts its command before it needs any of these names.

    Args:
        namespace: `globals()` of the package, where a name is kept once it is imported.
        homes: public name -> the module below the package that has it.
    """
    package = namespace["__name__"]

    def imported(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        # Not by importlib, which is a module more to load.
        try:
            value = getattr(__import__(f"{package}.{homes[name]}", fromlist=[name]), name)
        except ImportError:
            if not sys.is_finalizing():
                raise
            value = IGNORING
        namespace[name] = value
        return value

    return imported
