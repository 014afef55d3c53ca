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

from batchtel_dashboards.boards import board_json, link_rules, query_rules
from batchtel_dashboards.boards.board_json import Board
from batchtel_dashboards.boards.sources import SOURCES

COLUMNS: Final = 24
"""Width of Grafana's grid."""

WITHOUT_UNIT: Final = frozenset({"logs", "traces", "text"})
"""Types of panels that show texts: they need neither unit nor limits."""

SHORTEST: Final = 40
"""Letters of a description: a shorter one does not explain how to read a panel."""

_VARIABLE: Final = re.compile(r"\$\{(\w+)[^}]*\}|\$(\w+)|\[\[(\w+)[^\]]*\]\]")
_GRAFANA: Final = frozenset({"grafana", "-- Grafana --", "-- Mixed --", "-- Dashboard --"})
"""Data sources that every Grafana has."""


def problems(texts: Mapping[str, str]) -> list[str]:
    """Return every problem of the boards in `texts`, uid to JSON, each as `<uid>.json: ...`; none if all is well."""
    boards, found = {}, []
    for uid, text in texts.items():
        try:
            boards[uid] = board_json.parsed(text)
        except ValueError as error:
            found.append(f"{uid}.json: {error}")
    for uid, board in boards.items():
        found += [f"{uid}.json: {problem}" for problem in _of_board(uid, board, boards)]
    return found


def _of_board(uid: str, board: Board, boards: Mapping[str, Board]) -> Iterator[str]:
    if board.get("uid") != uid:
        yield f"uid is {board.get('uid')!r}; write the name of the file, {uid!r}"
    for key in ("title", "description"):
        if not board.get(key):
            yield f"has no {key}"
    panels = board_json.panels(board)
    if not panels:
        yield "has no panels"
    ids = [json.dumps(panel.get("id")) for panel in panels]
    if len(set(ids)) < len(ids):
        yield f"ids of panels are not unique: {', '.join(ids)}"
    # Panels of a collapsed row have places of their own: what is below the row moves when it opens.
    for group in (board.get("panels", []), *(panel.get("panels", []) for panel in board.get("panels", []))):
        yield from _grid(group)
    if panels:
        yield from _of_variables(board)
    existing = {one: _names(content) for one, content in boards.items()}
    for link in board.get("links", []):
        yield from (f"link {link.get('title')!r} {why}" for why in link_rules.of_link(link.get("url", ""), existing))
    for panel in panels:
        if panel.get("type") != "row":
            yield from (f"panel {_name(panel)}: {problem}" for problem in _of_panel(panel, board, existing))


def _grid(panels: list[Board]) -> Iterator[str]:
    placed = [panel for panel in panels if {"x", "y", "w", "h"} <= set(panel.get("gridPos", {}))]
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


def _of_variables(board: Board) -> Iterator[str]:
    variables = board.get("templating", {}).get("list", [])
    rest = {key: value for key, value in board.items() if key != "templating"}
    repeated = {panel.get("repeat") for panel in board_json.panels(board) if isinstance(panel.get("repeat"), str)}
    for variable in variables:
        name = variable.get("name", "")
        others = [other for other in variables if other is not variable]
        if "${__all_variables}" not in json.dumps(rest) and name not in _used([rest, others]) | repeated:
            yield f"has the variable {name}, which no query, link or other variable uses; use or remove it"
        for why in query_rules.of_several(str(variable.get("query", "")), others):
            yield f"variable {name} {why}"


def _of_panel(panel: Board, board: Board, boards: Mapping[str, set[str]]) -> Iterator[str]:
    if not panel.get("title"):
        yield "has no title"
    if len(panel.get("description", "")) < SHORTEST:
        yield f"its description has fewer than {SHORTEST} letters; write how to read it"
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    if panel.get("type") not in WITHOUT_UNIT:
        if not defaults.get("unit"):
            yield "has no unit; write `none` for a plain number"
        if not defaults.get("thresholds", {}).get("steps"):
            yield "has no thresholds; write one step for a number without limits"
    yield from query_rules.zeros(panel)
    yield from _of_queries(panel, board)
    for link in board_json.links(panel):
        url = link.get("url", "")
        missing = (f"uses the variable {name}, which the board does not have" for name in _missing(url, board))
        problems_of_link = (*missing, *link_rules.of_link(url, boards))
        yield from (f"link {link.get('title')!r} {problem}" for problem in problems_of_link)


def _of_queries(panel: Board, board: Board) -> Iterator[str]:
    targets = panel.get("targets", [])
    if not targets and panel.get("type") != "text":
        yield "has no query"
    names = [target.get("refId") for target in targets]
    if len(set(names)) < len(names):
        yield f"names of its queries are not unique: {names}"
    read = {board_json.source(panel, target) for target in targets}
    if wrong := {kind for kind, _ in read} - {source.plugin for source in SOURCES}:
        yield f"reads data sources that batchtel does not have: {sorted(map(str, wrong))}"
    existing = {source.uid for source in SOURCES} | _GRAFANA
    for uid in sorted({uid for _, uid in read if uid and not _used(uid)} - existing):
        yield f"reads the data source with the uid {uid}, which does not exist; write a variable, such as ${{metrics}}"
    for name in _missing(targets, board):
        yield f"uses the variable {name}, which the board does not have"
    for target in targets:
        text = board_json.query(target)
        wrong_texts = [*query_rules.of_several(text, board.get("templating", {}).get("list", []))]
        if board_json.source(panel, target)[0] == "prometheus":
            wrong_texts += query_rules.of_promql(target.get("expr", ""))
        yield from (f"a query {why}: {text}" for why in wrong_texts)


def _names(board: Board) -> set[str]:
    return {variable.get("name", "") for variable in board.get("templating", {}).get("list", [])}


def _missing(content: object, board: Board) -> list[str]:
    return sorted(_used(content) - _names(board))


def _used(content: object) -> set[str]:
    """Return the variables of a board that a text, or anything with texts in it, uses; those of Grafana left out."""
    text = content if isinstance(content, str) else json.dumps(content)
    names = {name for found in _VARIABLE.findall(text) for name in found if name}
    return {name for name in names if not name.startswith("__") and not name.isdigit()}


def _name(panel: Mapping[str, Any]) -> str:
    return repr(panel.get("title") or panel.get("id"))
