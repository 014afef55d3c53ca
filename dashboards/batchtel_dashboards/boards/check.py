"""Rules that hold for the JSON of every board: identity, grid, units, limits, descriptions, variables, links, queries.

Grafana accepts boards that break them: it draws panels over each other, shows a number without its unit, and opens a
link to a board that does not exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final

from batchtel_dashboards.boards.sources import SOURCES

COLUMNS: Final = 24
"""Width of Grafana's grid."""

WITHOUT_UNIT: Final = frozenset({"logs", "traces", "text"})
"""Types of panels that show texts: they need neither unit nor limits."""

SHORTEST: Final = 40
"""Letters of a description: a shorter one does not explain how to read a panel."""

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::\w+)?[^}]*\}|\$(\w+)")
_BOARD: Final = re.compile(r"^/d/([\w-]+)(?:\?(.*))?$")
_FORBIDDEN: Final = (
    (re.compile(r"\bor\s+(on\s*\(\s*\)\s*)?vector\s*\(\s*0"), "shows 0 where there is no data; remove `or vector(0)`"),
    (
        re.compile(r"\b(sum|avg)\b[^()]*(\([^()]*\)\s*)?\(\s*histogram_quantile"),
        "adds quantiles up; add the buckets up first, by le",
    ),
    (re.compile(r"\b(batch_)?run_id\b"), "reads a run id from a metric; no metric has one, look in logs or traces"),
)
"""What no PromQL of a board contains, and why."""


def problems(texts: Mapping[str, str]) -> list[str]:
    """Return every problem of the boards in `texts`, uid to JSON, each as `<uid>.json: ...`; none if all is well."""
    boards, found = {}, []
    for uid, text in texts.items():
        try:
            content = json.loads(text)
        except ValueError as error:
            found.append(f"{uid}.json: is not JSON: {error}")
            continue
        if not isinstance(content, dict):
            found.append(f"{uid}.json: is not the JSON of a board: a {type(content).__name__}")
            continue
        boards[uid] = content
    for uid, board in boards.items():
        found += [f"{uid}.json: {problem}" for problem in _of_board(uid, board, boards)]
    return found


def expressions(board: Mapping[str, Any]) -> list[str]:
    """Return every PromQL of a board's panels."""
    return [
        target["expr"]
        for panel in board.get("panels", [])
        for target in panel.get("targets", [])
        if target.get("datasource", {}).get("type") == "prometheus"
    ]


def _of_board(uid: str, board: dict[str, Any], boards: Mapping[str, Any]) -> Iterator[str]:
    if board.get("uid") != uid:
        yield f"uid is {board.get('uid')!r}; write the name of the file, {uid!r}"
    for key in ("title", "description"):
        if not board.get(key):
            yield f"has no {key}"
    panels = board.get("panels", [])
    if not panels:
        yield "has no panels"
    ids = [panel.get("id") for panel in panels]
    if len(set(ids)) < len(ids):
        yield f"ids of panels are not unique: {ids}"
    yield from _grid(panels)
    for panel in panels:
        if panel.get("type") != "row":
            yield from (f"panel {_name(panel)}: {problem}" for problem in _of_panel(panel, board, boards))


def _grid(panels: list[dict[str, Any]]) -> Iterator[str]:
    placed = [panel for panel in panels if {"x", "y", "w", "h"} <= set(panel.get("gridPos") or {})]
    yield from (f"panel {_name(panel)}: has no gridPos" for panel in panels if panel not in placed)
    for panel in placed:
        place = panel["gridPos"]
        if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > COLUMNS:
            yield f"panel {_name(panel)}: is not within the {COLUMNS} columns: {place}"
    for one, other in combinations(placed, 2):
        a, b = one["gridPos"], other["gridPos"]
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        if not beside and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]:
            yield f"panels {_name(one)} and {_name(other)} overlap"


def _of_panel(panel: dict[str, Any], board: dict[str, Any], boards: Mapping[str, Any]) -> Iterator[str]:
    if not panel.get("title"):
        yield "has no title"
    if len(panel.get("description") or "") < SHORTEST:
        yield f"its description has fewer than {SHORTEST} letters; write how to read it"
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    if panel.get("type") not in WITHOUT_UNIT:
        if not defaults.get("unit"):
            yield "has no unit; write `none` for a plain number"
        if not defaults.get("thresholds", {}).get("steps"):
            yield "has no thresholds; write one step for a number without limits"
    targets = panel.get("targets", [])
    if not targets and panel.get("type") != "text":
        yield "has no query"
    names = [target.get("refId") for target in targets]
    if len(set(names)) < len(names):
        yield f"names of its queries are not unique: {names}"
    plugins = {source.plugin for source in SOURCES}
    if wrong := {target.get("datasource", {}).get("type") for target in targets} - plugins:
        yield f"reads data sources that batchtel does not have: {sorted(map(str, wrong))}"
    existing = _variables(board)
    for name in sorted(_used(targets) - existing):
        yield f"uses the variable {name}, which the board does not have"
    for expression in expressions({"panels": [panel]}):
        yield from (f"a query {why}: {expression}" for pattern, why in _FORBIDDEN if pattern.search(expression))
    for link in [*panel.get("links", []), *defaults.get("links", [])]:
        yield from (
            f"link {link.get('title')!r} {problem}" for problem in _of_link(link.get("url", ""), existing, boards)
        )


def _of_link(url: str, existing: set[str], boards: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(_used(url) - existing):
        yield f"uses the variable {name}, which the board does not have"
    if not url.startswith("/d/"):
        return
    match = _BOARD.match(url)
    if match is None or match[1] not in boards:
        yield f"leads to a board that does not exist: {url}"
        return
    there = _variables(boards[match[1]])
    for part in (match[2] or "").split("&"):
        name = part.partition("=")[0].removeprefix("var-") if part.startswith("var-") else ""
        name = name or next(iter(re.findall(r"^\$\{(\w+):queryparam\}$", part)), "")
        if name and name not in there:
            yield f"sets the variable {name}, which {match[1]} does not have"


def _variables(board: Mapping[str, Any]) -> set[str]:
    return {variable.get("name") for variable in board.get("templating", {}).get("list", [])}


def _used(content: object) -> set[str]:
    """Return the variables of a board that a text, or anything with texts in it, uses; those of Grafana left out."""
    text = content if isinstance(content, str) else json.dumps(content)
    names = {first or second for first, second in _VARIABLE.findall(text)}
    return {name for name in names if not name.startswith("__") and not name.isdigit()}


def _name(panel: Mapping[str, Any]) -> str:
    return repr(panel.get("title") or panel.get("id"))
