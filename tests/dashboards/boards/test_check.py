"""Each rule of the check finds what breaks it, and names board, panel and remedy."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from batchtel_dashboards.boards import query_rules, shipped
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


def _override(key: str, value: object) -> Board:
    return {"matcher": {"id": "byName", "options": "x"}, "properties": [{"id": key, "value": value}]}


def _collapsed(board: Board) -> Board:
    """Move the panels of the first section into its row, and return one of them."""
    row, panel = board["panels"][0], _panel(board)
    end = next(index for index, one in enumerate(board["panels"]) if index and one["type"] == "row")
    row.update(collapsed=True, panels=board["panels"][1:end])
    del board["panels"][1:end]
    return panel


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
        lambda b: _target(b).update(datasource={"type": "mysql", "uid": "${metrics}"}),
        "panel 'Success rate, 24 h': reads data sources that batchtel does not have: ['mysql']",
    ),
    (
        lambda b: _target(b).update(expr='sum(batch_x{dag="$dag"})'),
        "panel 'Success rate, 24 h': uses the variable dag, which the board does not have",
    ),
    (
        lambda b: _target(b).update(expr="sum(batch_x) or vector(0)"),
        "panel 'Success rate, 24 h': a query shows a number where there is no data; remove `or vector(0)`: "
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
        lambda b: _link(b).update(url="/d/batch-job?var-job=${dag:percentencode}"),
        "panel 'Success rate, 24 h': link 'Jobs' uses the variable dag, which the board does not have",
    ),
    (
        lambda b: _link(b).update(url="/d/batch-job?var-job=$job"),
        "panel 'Success rate, 24 h': link 'Jobs' puts $job into a URL without an encoding; write ${job:percentencode}",
    ),
    (
        lambda b: _link(b).update(url='/d/batch-job?var-job=${__data.fields["job_name"]}'),
        "panel 'Success rate, 24 h': link 'Jobs' puts ${__data.fields[\"job_name\"]} into a URL without an encoding; "
        'write ${__data.fields["job_name"]:percentencode}',
    ),
    (
        lambda b: _panel(b)["fieldConfig"].update(
            overrides=[_override("links", [{"title": "x", "url": "https://a.example/?q=${__value.raw:uriencode}"}])]
        ),
        "panel 'Success rate, 24 h': link 'x' puts ${__value.raw:uriencode} into a URL without an encoding; "
        "write ${__value.raw:percentencode}",
    ),
    (
        lambda b: b["templating"]["list"].append({"name": "region", "type": "custom"}),
        "has the variable region, which no query, link or other variable uses; use or remove it",
    ),
    (
        lambda b: b["templating"]["list"][-1].update(query='label_values(batch_x{job="$service"}, job_name)'),
        "variable job compares one value with the variable service, which can have several; write =~ or !~",
    ),
    (
        lambda b: _target(b).update(expr='sum(batch_x{job_name="$job"})'),
        "panel 'Success rate, 24 h': a query compares one value with the variable job, which can have several; "
        'write =~ or !~: sum(batch_x{job_name="$job"})',
    ),
    (
        lambda b: _target(b).update(datasource={"type": "prometheus", "uid": "gone"}),
        "panel 'Success rate, 24 h': reads the data source with the uid gone, which does not exist; "
        "write a variable, such as ${metrics}",
    ),
    (
        lambda b: _target(b).update(expr="sum(batch_x"),
        "panel 'Success rate, 24 h': a query is not PromQL: unclosed left parenthesis: sum(batch_x",
    ),
    (
        lambda b: _panel(b)["fieldConfig"]["defaults"].update(noValue="0"),
        "panel 'Success rate, 24 h': shows 0 where there is no data; write a text as its noValue, such as `no data`",
    ),
    (
        lambda b: _panel(b)["fieldConfig"].update(overrides=[_override("noValue", "0.0 %")]),
        "panel 'Success rate, 24 h': shows 0.0 % where there is no data; "
        "write a text as its noValue, such as `no data`",
    ),
    (
        lambda b: _panel(b)["fieldConfig"]["defaults"].update(
            mappings=[{"type": "special", "options": {"match": "null", "result": {"text": "0"}}}]
        ),
        "panel 'Success rate, 24 h': maps a missing value to 0; map it to a text, such as `no data`",
    ),
    (
        lambda b: _collapsed(b)["targets"][0].update(expr="sum(batch_x) or vector(0)"),
        "panel 'Success rate, 24 h': a query shows a number where there is no data; remove `or vector(0)`: "
        "sum(batch_x) or vector(0)",
    ),
    (lambda b: b.update(panels=None), "has no panels"),
)

OF_NOTHING: tuple[tuple[str, list[str]], ...] = (
    ("sum(x) or vector(0)", ["or vector(0)"]),
    ("sum(x) or on() vector(0.0)", ["or on() vector(0.0)"]),
    ("sum(x) or on() (time() * 0)", ["or on() (time() * 0)"]),
    ("(sum(x) OR 0 * vector(1)) / 2".replace("OR", "or"), ["or 0 * vector(1)"]),
    ("sum by (or) (x) or absent(x{a='or'}) * 0", ["or absent(x{a='or'}) * 0"]),
    ('x{a="or vector(0)"}', []),
    ("x or clamp_max(absent(sum(y) or z), 0)", ["or clamp_max(absent(sum(y) or z), 0)"]),
    ("x or absent(", ["or absent("]),
    ("vector(0) or sum(x)", ["vector(0) or"]),
    (
        "x or on (a) label_replace(vector(0), 'a', 'b', '', '')",
        ["or on (a) label_replace(vector(0), 'a', 'b', '', '')"],
    ),
    ("(x or y * 0) / (y > 0)", []),
    (
        "x * 0 + on (s) group_left () "
        "(label_replace(vector(0), 's', 'a', '', '') or label_replace(vector(1), 's', 'b', '', ''))",
        [],
    ),
    ("rate(x[5m]) or y offset 1d", []),
    ("x or $other", ["or $other"]),
)


@pytest.mark.parametrize(("query", "found"), OF_NOTHING)
def test_a_number_where_there_is_no_data(query: str, found: list[str]) -> None:
    """An operand of `or` that needs no series is found in every form; zeros that are made of series are none."""
    assert query_rules.made_up(query) == found


BROKEN: tuple[object, ...] = (
    *(None, True, 7, "text", [], [None]),
    *({"panels": 5}, {"panels": [None]}, {"panels": ["a"]}, {"panels": {"a": 1}}, {"panels": [{"panels": [3]}]}),
    *({"panels": [{"targets": ["up"]}]}, {"panels": [{"targets": [{"expr": 5}]}]}, {"panels": [{"title": 1}]}),
    *({"panels": [{"gridPos": {"x": "1"}}]}, {"panels": [{"fieldConfig": []}]}, {"panels": [{"links": "a"}]}),
    *({"panels": [{"fieldConfig": {"overrides": [1]}}]}, {"templating": []}, {"templating": {"list": ["a"]}}),
    *({"templating": {"list": [{"name": 1}]}}, {"links": {}}, {"uid": 3}, {"description": ["a"]}),
)


@pytest.mark.parametrize("content", BROKEN, ids=json.dumps)
def test_what_is_no_board_is_one_problem(content: object) -> None:
    """Whatever JSON a file has, it is named with the place that is wrong, and the other boards are checked."""
    texts = {**shipped.texts("exact"), "other": json.dumps(content)}
    (problem,) = problems(texts)
    assert problem.startswith("other.json: is not the JSON of a board: ")


LOOSE: tuple[object, ...] = (
    {"panels": [{"id": [1], "datasource": "Prometheus", "targets": [{"expr": "up"}]}]},
    {"panels": [{"fieldConfig": {"overrides": [{"properties": [{"id": "links", "value": [7]}]}]}}]},
    {"panels": [{"targets": [{"datasource": {"type": 7, "uid": ["a"]}}], "repeat": ["a"]}]},
    {"panels": [{"fieldConfig": {"defaults": {"noValue": 0, "mappings": [{"type": "special", "options": 1}]}}}]},
    {"templating": {"list": [{"query": {"query": "x"}}, {}]}},
)


@pytest.mark.parametrize("content", LOOSE, ids=json.dumps)
def test_any_value_elsewhere_is_no_traceback(content: object) -> None:
    """Keys whose values have several types in Grafana's own boards do not end the check."""
    assert all(problem.startswith("other.json: ") for problem in problems({"other": json.dumps(content)}))


def test_nesting_without_end_is_one_problem() -> None:
    """A text that no parser can read is a problem as well."""
    (problem,) = problems({"deep": "[" * 100_000})
    assert problem.startswith("deep.json: is not the JSON of a board: it is nested too deeply")


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
        "b.json: is not the JSON of a board: it is [], not an object",
        "c.json: uid is None; write the name of the file, 'c'",
        "c.json: has no title",
        "c.json: has no description",
        "c.json: has no panels",
    ]
