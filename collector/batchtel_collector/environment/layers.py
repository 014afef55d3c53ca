"""The layers of an environment: its base, its own file, what differs for one role, and overrides of the caller's.

Each is put over the one before by `merging`, so an empty value (`null`) removes what the base has. A base has none
itself: a reader of a file has to read one more at most.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import batchtel_collector
from batchtel.base.nearest import nearest
from batchtel_collector.environment import document, renamed_keys
from batchtel_collector.environment.document import Document, Problem
from batchtel_collector.environment.errors import InputError, UnknownEnvironmentError, UnreadableFileError
from batchtel_collector.environment.merging import lift, overlay

SHIPPED: Final = Path(batchtel_collector.__file__).parent / "environments"
"""Folder of the environments that come with batchtel, one YAML file each."""

FILES: Final = ("catalogue", "overrides")
"""Keys whose value is a path relative to the file that has them."""

ROLES: Final = ("standalone", "agent", "gateway")
"""What a collector can be."""


def shipped() -> list[str]:
    """Return the names of the environments that come with batchtel."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find(name_or_path: str, beside: Path | None = None) -> Path:
    """Return the file of a shipped environment, or the path itself; relative to the folder `beside`.

    Raises UnknownEnvironmentError for a name that is not shipped.
    """
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        return (beside or Path()) / name_or_path
    if name_or_path in shipped():
        return SHIPPED / f"{name_or_path}.yaml"
    near = nearest(name_or_path, shipped())
    hint = f" (did you mean {near}?)" if near else ""
    raise UnknownEnvironmentError(
        f"unknown environment {name_or_path!r}{hint}; shipped: {', '.join(shipped())}; "
        "or give a file, for example ./production.yaml"
    )


def text(path: Path) -> str:
    """Return the text of a file of an environment.

    Raises UnreadableFileError when it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text; save it as UTF-8"
        raise UnreadableFileError(f"cannot read the environment {path}: {reason}") from None


def read(path: Path, content: str, name: str | None = None) -> Document:
    """Read a file and its base as one document, in which `roles` is still a key. What is wrong is in `problems`.

    Args:
        path: the file; what it names is looked for beside it.
        content: its text.
        name: its name in messages.
    """
    own = _read(content, name or shown(path), path.parent)
    if not isinstance(own.data, dict):
        return own
    base = own.data.pop("base", None)
    if base is None:
        return own
    if not isinstance(base, str):
        own.problems.append(Problem("base: must be a name or a file; write base: local", ("base",), _place(own)))
        return own
    try:
        below_path = find(base, path.parent)
        below = _read(text(below_path), shown(below_path), below_path.parent)
    except InputError as unusable:
        own.problems.append(Problem(f"base: {unusable}", ("base",), _place(own)))
        return own
    if isinstance(below.data, dict) and "base" in below.data:
        message = (
            f"base: {base} has the base {below.data['base']} itself, and inheritance is one level; "
            f"write base: {below.data['base']}, and what {base} changes here"
        )
        own.problems.append(Problem(message, ("base",), _place(own)))
        return own
    below.file = own.file
    overlay(below, own)
    return below


def roles(merged: Document) -> list[str]:
    """Return the roles that an environment is made for: those of its key `roles`, else its own."""
    data = merged.data if isinstance(merged.data, dict) else {}
    parts = data.get("roles")
    named = [role for role in ROLES if isinstance(parts, dict) and role in parts]
    return named or [str(data.get("role", ROLES[0]))]


def settle(merged: Document, role: str | None, overrides: Mapping[str, object]) -> None:
    """Put the part of the chosen role and the overrides over a document that `read` has returned."""
    if not isinstance(merged.data, dict):
        return
    chosen = role or overrides.get("role") or merged.data.get("role")
    parts = {} if merged.data.get("roles") is None else merged.data["roles"]
    if not isinstance(parts, dict) or not all(isinstance(part, dict) for part in parts.values()):
        message = "roles: must be keys and values per role; write roles: {agent: {memory_limit: 512MiB}}"
        merged.problems.append(Problem(message, ("roles",), _place(merged, "roles")))
        parts = {}
    for unknown in set(parts) - set(ROLES):
        message = f"roles.{unknown} is not a role; write {', '.join(ROLES[:-1])} or {ROLES[-1]}"
        merged.problems.append(Problem(message, ("roles", unknown), merged.keys.get(("roles", unknown))))
    if isinstance(chosen, str) and chosen in parts:
        lift(merged, ("roles", chosen))
    merged.data.pop("roles", None)
    if role is not None and role != merged.data.get("role"):
        overrides = {**overrides, "role": role}
    above = Document(copy.deepcopy(dict(overrides)))
    renamed_keys.report(above)
    overlay(merged, above)


def shown(path: Path) -> str:
    """Return the name of a file in messages: of a shipped one the name alone."""
    return path.name if path.parent == SHIPPED else str(path)


def _place(merged: Document, key: str = "base") -> document.Place | None:
    return merged.values.get((key,)) or merged.keys.get((key,))


def _read(content: str, name: str, folder: Path) -> Document:
    """Read one file; a file that it names is looked for beside it, whatever the current folder is."""
    own = document.read(content, name)
    renamed_keys.report(own)
    if isinstance(own.data, dict):
        roles = own.data.get("roles")
        for part in (own.data, *(roles.values() if isinstance(roles, dict) else ())):
            for key in FILES:
                if isinstance(part, dict) and isinstance(part.get(key), str):
                    part[key] = str((folder / str(part[key])).resolve())
    return own
