"""The JSON of the boards is that of Grafana's schema of classic dashboards."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from batchtel_dashboards.boards import shipped
from batchtel_dashboards.engines import ENGINES
from tests.dashboards.boards import schema

Board = dict[str, Any]


@pytest.mark.parametrize("aggregation", ENGINES)
def test_boards_are_of_the_schema(aggregation: str) -> None:
    """Each key is there, has its type, and is one of its values."""
    for uid, text in shipped.texts(aggregation).items():
        assert schema.problems(json.loads(text)) == [], uid


CASES: tuple[tuple[Callable[[Board], object], str], ...] = (
    (lambda b: b.update(gridSize=3), "/gridSize: unknown"),
    (lambda b: b.update(tags="batchtel"), "/tags: 'batchtel' is no list"),
    (lambda b: b.update(graphTooltip=7), "/graph_tooltip: 7 is none of [0, 1, 2]"),
    (lambda b: b["templating"]["list"][0].update(query=7), "/templating/list_val/0/query: 7 is no str"),
    (lambda b: b["panels"][1]["gridPos"].update(h="4"), "/panels/1/grid_pos/h: '4' is no int"),
    (lambda b: b["panels"][1]["gridPos"].pop("w"), "/panels/1/gridPos/w: required"),
    (lambda b: b["panels"][1]["options"].update(colour="x"), "/panels/1/options/colour: unknown"),
    (lambda b: b["panels"][1]["options"].update(graphMode="x"), "/panels/1/options/graph_mode: 'x' is none of"),
    (lambda b: b["panels"][1]["targets"][0].update(expr=1), "/panels/1/targets/0/expr: 1 is no str"),
    (lambda b: b["panels"][1]["links"][0].update(url=None), "/panels/1/links/0/url: "),
)


@pytest.mark.parametrize(("change", "problem"), CASES, ids=[problem[:40] for _, problem in CASES])
def test_a_difference_is_found(change: Callable[[Board], object], problem: str) -> None:
    """One change to the shipped board of the fleet, at its place."""
    board = copy.deepcopy(json.loads(shipped.texts("exact")["batch-fleet"]))
    change(board)
    found = schema.problems(board)
    assert any(one.startswith(problem) for one in found), found
