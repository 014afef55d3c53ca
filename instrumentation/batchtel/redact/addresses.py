"""Addresses as they may stand in a message."""

from __future__ import annotations

import re
from typing import Final

from batchtel.redact.secret_names import level_of

_USER: Final = re.compile(
    r"(?<=//)[^\s/?#'\"]*@"
    # A `/`, `?` or `#` in a password ends the part before the path too early; a port has digits only.
    r"|(?<=//)[^\s/?#:@'\"]+:(?!\d+(?![^/?#\s]))[^\s'\"]*@"
    # Without a scheme.
    r"|\A[^\s/?#:@'\"=]+:(?!//)[^\s/'\"]*@"
)
"""User and password before a host."""

_FIELD: Final = re.compile(r"(?<=[?&;])([^\s=&;#'\"]+)=(?!\[redacted\])[^\s&;#'\"]+")
"""A field of a query and its value."""


def shown(text: str) -> str:
    """Return text without users and passwords of the addresses in it, and without values of their keys and tokens."""
    return _FIELD.sub(_field, _USER.sub("", text) if "@" in text else text)


def _field(found: re.Match[str]) -> str:
    is_secret = level_of(found[1]) or re.search(r"(?:^|[._-])key$", found[1], re.IGNORECASE)
    return f"{found[1]}=[redacted]" if is_secret else found[0]
