"""The JSON of a board as somebody else may have written it: whether it has the shape of one, and what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

Board = dict[str, Any]

_LINKS: Final = [{"title": str, "url": str}]
_PANEL: Final[dict[str, Any]] = {
    "title": str,
    "type": str,
    "description": str,
    "gridPos": {"x": int, "y": int, "w": int, "h": int},
    "links": _LINKS,
    "fieldConfig": {
        "defaults": {"unit": str, "thresholds": {"steps": [{}]}, "links": _LINKS, "mappings": [{"type": str}]},
        "overrides": [{"properties": [{"id": str}]}],
    },
    "targets": [{"refId": str, "expr": str, "query": str}],
}
_BOARD: Final[dict[str, Any]] = {
    "uid": str,
    "title": str,
    "description": str,
    "links": _LINKS,
    "templating": {"list": [{"name": str, "type": str}]},
    "panels": [{**_PANEL, "panels": [_PANEL]}],
}
"""What the rules read: an object with these keys, a list of such elements, or a type. Each key may be missing."""

_NAMES: Final = {dict: "an object", list: "a list", str: "a string", int: "a whole number"}


def parsed(text: str) -> Board:
    """Return the board of a text, without keys that are null.

    Raises:
        ValueError: the text is not JSON, or is not the JSON of a board; the message has the place.
    """
    try:
        content = _without_null(json.loads(text))
    except RecursionError:
        raise ValueError("is not the JSON of a board: it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    for problem in _wrong(content, _BOARD, ""):
        raise ValueError(f"is not the JSON of a board: {problem}")
    return dict(content)


def panels(board: Board) -> list[Board]:
    """Return every panel and row of a board, those inside collapsed rows behind their row."""
    return [one for panel in board.get("panels", []) for one in (panel, *panel.get("panels", []))]


def links(panel: Board) -> list[Board]:
    """Return the links of a panel: at its title, at its values, and of single columns."""
    settings = panel.get("fieldConfig", {})
    of_columns = [value for key, value in overridden(panel) if key == "links" and isinstance(value, list)]
    at_values = settings.get("defaults", {}).get("links", [])
    every = [*panel.get("links", []), *at_values, *(link for value in of_columns for link in value)]
    return [link for link in every if isinstance(link, dict) and isinstance(link.get("url", ""), str)]


def overridden(panel: Board) -> Iterator[tuple[str, Any]]:
    """Return the settings of single columns or series of a panel: key and value."""
    for override in panel.get("fieldConfig", {}).get("overrides", []):
        for setting in override.get("properties", []):
            yield setting.get("id", ""), setting.get("value")


def source(panel: Board, target: Board) -> tuple[str | None, str]:
    """Return type and uid of the data source of a query, which may be that of its panel."""
    named = target.get("datasource", panel.get("datasource", {}))
    if not isinstance(named, dict):
        return None, str(named)
    kind = named.get("type")
    return (kind if isinstance(kind, str) else None), str(named.get("uid", ""))


def query(target: Board) -> str:
    """Return the text of a query, whatever its language."""
    return "\n".join(target[key] for key in ("expr", "query") if key in target)


def _without_null(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_null(value) for key, value in content.items() if value is not None}
    return [_without_null(one) for one in content] if isinstance(content, list) else content


def _wrong(content: Any, shape: Any, where: str) -> Iterator[str]:
    """Return where the content has another shape."""
    kind: type = shape if isinstance(shape, type) else type(shape)
    if type(content) is not kind:
        yield f"{where or 'it'} is {json.dumps(content)[:40]}, not {_NAMES[kind]}"
        return
    for place, one, inner in _inside(content, shape, where):
        yield from _wrong(one, inner, place)


def _inside(content: Any, shape: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Return the place, the content and the shape of what is in an object or a list."""
    if isinstance(shape, dict):
        for key in shape.keys() & content.keys():
            yield f"{where}.{key}".lstrip("."), content[key], shape[key]
    elif isinstance(shape, list):
        for index, one in enumerate(content):
            yield f"{where}[{index}]", one, shape[0]
