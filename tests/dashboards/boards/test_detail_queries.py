"""The LogQL and TraceQL of boards, provisioning and clients, by the grammars of Grafana's editors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from batchtel_dashboards.boards import provisioning, shipped
from batchtel_dashboards.boards.sources import LOKI, TEMPO
from batchtel_dashboards.stores import Wanted, loki, tempo
from tests.dashboards import grammar
from tests.dashboards.grammar import Language
from tests.support.boards import ALL, substituted

KEYS: dict[str, tuple[Language, str]] = {LOKI.plugin: ("logql", "expr"), TEMPO.plugin: ("traceql", "query")}
"""Data source -> the language of its queries, and their key in a panel."""

HOSTILE = 'a "quoted" \\ name\nof two lines `{}'


def _of_boards() -> Iterator[tuple[Language, str]]:
    for text in shipped.texts("exact").values():
        for panel in json.loads(text)["panels"]:
            for target in panel.get("targets", []):
                if target["datasource"]["type"] in KEYS:
                    language, key = KEYS[target["datasource"]["type"]]
                    yield language, substituted(target[key], {**ALL, "run": "0198-a"})


def test_queries_of_boards_parse() -> None:
    """With the variables of the board put in."""
    found = list(_of_boards())
    assert {language for language, _ in found} == {"logql", "traceql"}
    assert {text: problems for language, text in found if (problems := grammar.errors(language, text))} == {}


def test_query_from_a_span_to_its_logs_parses() -> None:
    """As Grafana sends it to Loki, with the tags of a span put in."""
    content = yaml.safe_load(provisioning.sources("loki-tempo"))
    (query,) = [
        entry["jsonData"]["tracesToLogsV2"]["query"]
        for entry in content["datasources"]
        if entry["type"] == TEMPO.plugin
    ]
    text = re.sub(r"\$+\{__\w+\.[^}]*\}", "value", query)
    assert "value" in text
    assert grammar.errors("logql", text) == []


def test_queries_of_clients_parse() -> None:
    """Whatever a service, a job, an event or a run is called in LogQL; the grammar of TraceQL has no escapes."""
    for text in ("etl", HOSTILE):
        for wanted in (Wanted(text), Wanted(text, text, text, text)):
            assert grammar.errors("logql", loki.logql(wanted)) == []
    for wanted in (Wanted("etl"), Wanted("etl", "event", "job", "run")):
        assert grammar.errors("traceql", tempo.traceql(wanted)) == []


@pytest.mark.parametrize(
    ("language", "text", "where"),
    [
        ("logql", '{job="a"', '{job="a">>><<<'),
        ("logql", '{job="a"} | | json', '{job="a"} | >>><<<'),
        ("traceql", "{ span.x = }", "{ span.x = >>><<<"),
        ("traceql", '{ name =~ "a" } select(span.x)', '{ name =~ "a" } >>><<<'),
    ],
)
def test_an_error_is_found(language: Language, text: str, where: str) -> None:
    """A query with a mistake has an error at its place."""
    assert where in grammar.errors(language, text)
