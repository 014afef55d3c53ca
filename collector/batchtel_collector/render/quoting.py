"""The filters of the templates: values written so that the configuration keeps its meaning."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import yaml


def quote(value: str) -> str:
    """Write text as a double-quoted YAML scalar that the collector reads back unchanged.

    JSON strings are YAML; `$` is doubled because the collector expands `${...}` in every scalar.
    """
    return _json(value).replace("$", "$$")


def quote_reference(value: str) -> str:
    """Write text as `quote` does, but leave `${env:NAME}` and `${file:PATH}` to the collector."""
    parts = re.split(r"(\$\{(?:env|file):[^}]*\})", value)
    return '"' + "".join(part if index % 2 else quote(part)[1:-1] for index, part in enumerate(parts)) + '"'


def ottl(value: str | float | Sequence[str | float] | Mapping[str, str]) -> str:
    """Write text, a number, a list of them or a map of texts as an OTTL literal, for a scalar of YAML.

    OTTL reads strings as Go does, which shares JSON's escapes.
    """
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{ottl(key)}: {ottl(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(ottl(item) for item in value) + "]"


def flow(values: Iterable[str | float]) -> str:
    """Write texts or numbers as a YAML list on one line."""
    return "[" + ", ".join(quote(value) if isinstance(value, str) else repr(value) for value in values) + "]"


def is_in(path: str, values: Iterable[str]) -> str:
    """Write the OTTL condition that `path` is one of `values`, of which there is at least one."""
    first, *others = values
    return f"ContainsValue({ottl([first, *others])}, {path})" if others else f"{path} == {ottl(first)}"


def only(keys: Iterable[str]) -> str:
    """Write the regular expression of a JSON list of strings in which each is one of `keys`."""
    return r"^\[(\"(" + "|".join(map(re.escape, keys)) + r")\",?)*\]$"


def go_list(bounds: Iterable[float]) -> str:
    """Write numbers as Go's `%v` prints a list of them, the only form in which OTTL can compare lists."""
    return "[" + " ".join(repr(bound).removesuffix(".0") for bound in bounds) + "]"


def compact(text: str) -> str:
    """Remove the empty lines that parts without content have left."""
    return "\n".join(line for line in text.splitlines() if line.strip())


def settings(value: object) -> str:
    """Write settings as YAML to stand behind the colon of their key: `{}`, or a block on the next lines."""
    if not value:
        return " {}"
    return "\n" + textwrap.indent(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120), "  ")


def host(address: str) -> str:
    """Return the host of `host:port`, without the brackets of IPv6."""
    return address.rpartition(":")[0].strip("[]")


def port(address: str) -> int:
    """Return the port of `host:port`."""
    return int(address.rpartition(":")[2])


def in_unit(value: str) -> str:
    """Write text as one item of a setting of systemd: `%` doubled, quoted where a character has a meaning there."""
    escaped = value.replace("%", "%%")
    return escaped if re.fullmatch(r"[\w./@:=+,%-]+", escaped, re.ASCII) else _quoted_in_unit(escaped)


def _quoted_in_unit(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _json(text: str) -> str:
    """Write a JSON string in which only printable characters are left bare, since YAML rejects the others."""
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in escaped)


FILTERS: Final = {
    "quote": quote,
    "quote_reference": quote_reference,
    "ottl": ottl,
    "flow": flow,
    "is_in": is_in,
    "only": only,
    "go_list": go_list,
    "compact": compact,
    "settings": settings,
    "in_unit": in_unit,
    "host": host,
    "port": port,
}
"""The filters by their names in templates."""
