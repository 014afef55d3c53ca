"""Every shipped environment in every role that it is made for."""

from __future__ import annotations

from typing import NamedTuple

from batchtel_collector.environment import read, shipped


class Variant(NamedTuple):
    """One environment in one role, and the name of its files: `local`, `production-agent`."""

    name: str
    role: str
    stem: str


def variants(name: str | None = None) -> list[Variant]:
    """Return the variants of one environment, shipped or a file of yours, or of all shipped ones."""
    return [variant for one in ([name] if name else shipped()) for variant in _of(one)]


def _of(name: str) -> list[Variant]:
    merged, roles = read(name)
    title = merged.data.get("name", name) if isinstance(merged.data, dict) else name
    return [Variant(name, role, str(title) if len(roles) == 1 else f"{title}-{role}") for role in roles]
