"""What docs/operations.md names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from batchtel_collector.environment.load import parse
from batchtel_collector.render.configuration import render
from batchtel_dashboards import collector_queries, rules
from batchtel_dashboards.alerts import rule_file

ROOT = Path(__file__).parents[2]

PAGE = (ROOT / "docs" / "operations.md").read_text()


def test_every_function_of_its_table_exists() -> None:
    """The table of questions and the module of their queries name the same functions."""
    rows = re.findall(r"^\| [a-z ,]+ \| (`[^|]+`) \| ", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    functions = {name for name, found in vars(collector_queries).items() if callable(found) and name[0].islower()}
    assert named == functions - {"annotations"}


@pytest.mark.parametrize("block", re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
def test_environments_render(block: str) -> None:
    """Each environment on the page can be rendered."""
    assert yaml.safe_load(render(parse(block, "page.yaml")))["receivers"]["statsd"]


@pytest.mark.parametrize("aggregation", ["exact", "stock"])
def test_every_reason_is_a_filter(aggregation: str) -> None:
    """The reasons that are explained, for both engines and for stock, are the filters that a configuration has."""
    (part,) = re.findall(r"^Reasons of dropped data points.*?^Of log records", PAGE, re.DOTALL | re.MULTILINE)
    both, stock = re.split(r"^With `stock`:$", part, flags=re.MULTILINE)
    explained = re.findall(r"^- `(\w+)` \(", both + {"exact": "", "stock": stock}[aggregation], re.MULTILINE)
    text = "base: local\nname: all\nairflow_metrics: true\nmetrics: {shop.noise: {drop: true}}\n"
    text += f"aggregation: {aggregation}\n"
    processors = yaml.safe_load(render(parse(text, "all.yaml")))["processors"]
    filters = {name.partition("/")[2] for name in processors if name.startswith("filter/")}
    assert len(explained) == len(set(explained))
    assert set(explained) == filters - {"everything", "oversize"}  # the latter is of spans


def test_every_recorded_name_is_that_of_a_rule() -> None:
    """Queries in README.md and on all pages read names that the rules record."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    read = {name for page in pages for name in re.findall(r"\bbatch_\w+:\w+", page.read_text(encoding="utf-8"))}
    alert_rules = yaml.safe_load(rule_file.text((), "exact"))
    assert len(read) >= 4
    of_alerts = {rule["record"] for group in alert_rules["groups"] for rule in group["rules"] if "record" in rule}
    assert read - rules.names() - of_alerts == set()
