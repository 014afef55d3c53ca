"""Each rule of the check finds what breaks it, and names board, panel and remedy."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from batchtel_dashboards.boards import shipped
from batchtel_dashboards.boards.check import problems

Board = dict[str, Any]


def _panel(board: Board, title: str = "Success rate, 24 h") -> Board:
    (found,) = [panel for panel in board["panels"] if panel["title"] == title]
    return cast(Board, found)


def _target(board: Board) -> Board:
    target: Board = _panel(board)["targets"][0]
    return target


def _link(board: Board) -> Board:
    link: Board = _panel(board)["links"][0]
    return link


CASES: tuple[tuple[Callable[[Board], object], str], ...] = (
    (lambda b: b.update(uid="other"), "uid is 'other'; write the name of the file, 'batch-fleet'"),
    (lambda b: b.update(title=""), "has no title"),
    (lambda b: b.pop("description"), "has no description"),
    (
        lambda b: _panel(b)["gridPos"].update(x=21, y=100),
        "panel 'Success rate, 24 h': is not within the 24 columns: {'h': 4, 'w': 4, 'x': 21, 'y': 100}",
    ),
    (lambda b: _panel(b)["gridPos"].update(x=3), "panels 'Success rate, 24 h' and 'Running now' overlap"),
    (lambda b: _panel(b).pop("gridPos"), "panel 'Success rate, 24 h': has no gridPos"),
    (
        lambda b: _panel(b).update(description="A rate."),
        "panel 'Success rate, 24 h': its description has fewer than 40 letters; write how to read it",
    ),
    (
        lambda b: _panel(b)["fieldConfig"]["defaults"].pop("unit"),
        "panel 'Success rate, 24 h': has no unit; write `none` for a plain number",
    ),
    (
        lambda b: _panel(b)["fieldConfig"]["defaults"]["thresholds"].update(steps=[]),
        "panel 'Success rate, 24 h': has no thresholds; write one step for a number without limits",
    ),
    (lambda b: _panel(b).update(targets=[]), "panel 'Success rate, 24 h': has no query"),
    (
        lambda b: _panel(b)["targets"].append(_target(b)),
        "panel 'Success rate, 24 h': names of its queries are not unique: ['A', 'A']",
    ),
    (
        lambda b: _target(b).update(datasource={"type": "mysql"}),
        "panel 'Success rate, 24 h': reads data sources that batchtel does not have: ['mysql']",
    ),
    (
        lambda b: _target(b).update(expr='sum(batch_x{dag="$dag"})'),
        "panel 'Success rate, 24 h': uses the variable dag, which the board does not have",
    ),
    (
        lambda b: _target(b).update(expr="sum(batch_x) or vector(0)"),
        "panel 'Success rate, 24 h': a query shows 0 where there is no data; remove `or vector(0)`: "
        "sum(batch_x) or vector(0)",
    ),
    (
        lambda b: _target(b).update(expr="sum by (a) (histogram_quantile(0.9, x_bucket))"),
        "panel 'Success rate, 24 h': a query adds quantiles up; add the buckets up first, by le: "
        "sum by (a) (histogram_quantile(0.9, x_bucket))",
    ),
    (
        lambda b: _target(b).update(expr='batch_x{run_id="7"}'),
        "panel 'Success rate, 24 h': a query reads a run id from a metric; no metric has one, look in logs or traces: "
        'batch_x{run_id="7"}',
    ),
    (
        lambda b: _link(b).update(url="/d/batch-gone?x=1"),
        "panel 'Success rate, 24 h': link 'Jobs' leads to a board that does not exist: /d/batch-gone?x=1",
    ),
    (
        lambda b: _link(b).update(url="/d/batch-job?var-dag=1"),
        "panel 'Success rate, 24 h': link 'Jobs' sets the variable dag, which batch-job does not have",
    ),
    (
        lambda b: _link(b).update(url="/d/batch-job?var-job=${dag}"),
        "panel 'Success rate, 24 h': link 'Jobs' uses the variable dag, which the board does not have",
    ),
)


@pytest.mark.parametrize(("change", "problem"), CASES, ids=[problem[:60] for _, problem in CASES])
def test_one_problem(change: Callable[[Board], object], problem: str) -> None:
    """One change to the shipped board of the fleet is one problem."""
    texts = dict(shipped.texts("exact"))
    board = copy.deepcopy(json.loads(texts["batch-fleet"]))
    change(board)
    texts["batch-fleet"] = json.dumps(board)
    assert problems(texts) == [f"batch-fleet.json: {problem}"]


def test_every_problem_is_listed() -> None:
    """Texts that are no boards do not hide each other."""
    found = problems({"a": "{", "b": "[]", "c": "{}"})
    assert found == [
        "a.json: is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "b.json: is not the JSON of a board: a list",
        "c.json: uid is None; write the name of the file, 'c'",
        "c.json: has no title",
        "c.json: has no description",
        "c.json: has no panels",
    ]
