"""Redact credentials in everything that leaves the process.

Out of text by their shape, out of attributes by their key too. What is replaced is the secret alone: a reader still
sees which user, host, header or setting it belonged to. Text that leaves here can be encoded as UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from batchtel.base.values import text_of
from batchtel.redact import secret_names, secret_shapes

REDACTED: Final = "[redacted]"

WITHHELD: Final = "[redacted: BATCHTEL_REDACT is not a regular expression]"
"""Stands in place of every text while BATCHTEL_REDACT is invalid: what it was to hide may be in any of them."""

_SHORT: Final = 64
"""Characters of texts whose clean form is kept: names, ids and paths come again with each record of a run."""

_NEVER_WITHHELD: Final = re.compile(
    r"batch\.(?!record\.id$|status\.reason$|inputs$|outputs$|schema\.version$).*|batch_(?:job|step)\..*"
    r"|service\..*|telemetry\.sdk\..*|deployment\.environment(?:\.name)?|host\.name|process\.(?:pid|exit\.code)"
    r"|error\.type|exception\.type|log\.iostream"
)
"""Keys whose values name the job, the run, the process and how it ended, none of them free text."""


class Redaction:
    """Replaces secrets in text and attributes.

    Args:
        own: A regular expression of the user's: what its first group matches is replaced too, or all where it has none.
            Where it is not a regular expression every text is withheld.
    """

    def __init__(self, own: str = "") -> None:
        self._withholds = False
        self._own: re.Pattern[str] | None = None
        try:
            self._own = re.compile(own) if own else None
        except (re.error, RecursionError, OverflowError):
            self._withholds = True
        self._cached = lru_cache(maxsize=256)(self._clean)
        self._cached_pair = lru_cache(maxsize=1024)(self._clean_pair)

    def text(self, text: str) -> str:
        """Return `text` without its secrets, as UTF-8 can hold it."""
        return self._cached(text) if len(text) <= _SHORT else self._clean(text)

    def name(self, name: str) -> str:
        """Return the name of a span or an event without secrets; batchtel's own are never withheld."""
        is_ours = self._withholds and _NEVER_WITHHELD.fullmatch(name)
        return text_of(name) if is_ours else self.text(name)

    def _clean(self, text: str) -> str:
        if self._withholds:
            return WITHHELD if text else text
        text = text_of(text)
        lower = text.lower()
        text = secret_shapes.replaced(text, lower, REDACTED)
        if secret_names.has_hint(lower):
            text = secret_names.replaced(text, REDACTED)
        return text if self._own is None else self._own.sub(_replace_own, text)

    def value(self, key: str, value: Any) -> Any:
        """Return an attribute value without its secrets; where the key is that of a secret, all of it is one."""
        if secret_names.level_of(key) and not _is_plain(key, value):
            return REDACTED
        if isinstance(value, str):
            is_ours = self._withholds and _NEVER_WITHHELD.fullmatch(key)
            return text_of(value) if is_ours else self.text(value)
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "backslashreplace")).encode()
        if isinstance(value, list | tuple):
            return self._items(key, value)
        if isinstance(value, Mapping):
            return self.attributes(value)
        # OTLP has 64 bits for a whole number.
        return text_of(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value

    def _items(self, key: str, values: Sequence[Any]) -> list[Any]:
        """Return the items without secrets; of a command line's arguments also what follows `--password`."""
        clean: list[Any] = []
        before: Any = None
        for item in values:
            # A pair is a header, or a row of a table with two columns.
            names = isinstance(before, str) and (before.startswith("-") or len(values) == 2)
            is_secret = names and secret_names.level_of(before) and not _is_plain(before, item)
            clean.append(REDACTED if is_secret else self.value(key if isinstance(item, str) else "", item))
            before = item
        return clean

    def attributes(self, attributes: Mapping[Any, Any]) -> dict[str, Any]:
        """Return attributes without their secrets."""
        return dict(self.pair(name, value) for name, value in attributes.items())

    def pair(self, name: Any, value: Any) -> tuple[str, Any]:
        """Return one attribute without secrets. Most of a run's come again with each of its records: 0.3 us, not 2."""
        if type(value) is str and type(name) is str and len(value) <= _SHORT and len(name) <= _SHORT:
            return self._cached_pair(name, value)
        return self._clean_pair(name, value)

    def _clean_pair(self, name: Any, value: Any) -> tuple[str, Any]:
        return self._key(name), self.value(text_of(name), value)

    def _key(self, key: Any) -> str:
        return text_of(key) if self._withholds else self.text(text_of(key))


class KeyLines(secret_shapes.KeyLines):
    """Replaces private keys in text that comes line by line."""

    def __init__(self) -> None:
        super().__init__(REDACTED)


def _is_plain(key: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return True
    return isinstance(value, str | int | float) and secret_names.is_plain(key, str(value))


def _replace_own(found: re.Match[str]) -> str:
    if found.re.groups == 0 or found[1] is None:
        return REDACTED
    start, end = found.span(1)
    return found[0][: start - found.start()] + REDACTED + found[0][end - found.start() :]
