"""Every shipped environment in every role that it is made for."""

from __future__ import annotations

from typing import NamedTuple

from batchtel_collector.environment.layers import shipped
from batchtel_collector.environment.load import read


class Variant(NamedTuple):
    """One environment in one role, and the name of its files: `local`, `production-agent`."""

    name: str
    role: str
    stem: str


def variants(name: str | None = None, role: str | None = None) -> list[Variant]:
    """Return the variants of one environment, shipped or a file of yours, or of all shipped ones.

    With `role` those in that role; an environment that is asked for by name may be in a role that it is not made for.
    """
    if name is not None:
        return _of(name, role)
    return [one for name in shipped() for one in _of(name, None) if role in (None, one.role)]


def _of(name: str, role: str | None) -> list[Variant]:
    merged, made_for = read(name)
    title = merged.data.get("name", name) if isinstance(merged.data, dict) else name
    wanted = made_for if role is None else [role]
    return [Variant(name, one, str(title) if made_for == [one] else f"{title}-{one}") for one in wanted]
