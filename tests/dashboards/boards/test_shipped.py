"""The boards that ship: what their source makes, without a problem, the same for both engines but for the queries."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from batchtel_dashboards.boards import catalogue, provisioning, shipped
from batchtel_dashboards.boards.check import problems
from batchtel_dashboards.boards.sources import SOURCES
from batchtel_dashboards.engines import ENGINES

FIRST = ("batch-fleet", "batch-job", "batch-run", "batch-run-victorialogs", "batch-sla", "batch-pipeline")
"""The boards that issue and docs name; there may be more."""

AIRFLOW = ("batch-airflow-cluster", "batch-airflow-dag")
"""Their series are Airflow's own, which have no environment and service."""


@pytest.mark.parametrize("aggregation", ENGINES)
def test_files_are_what_the_source_makes(aggregation: str) -> None:
    """One file for each board, with its JSON, and no other file; `make generate` writes them."""
    texts = shipped.texts(aggregation)
    assert set(FIRST) <= set(texts) == set(catalogue.BOARDS)
    for uid, text in texts.items():
        assert text == catalogue.text(uid, aggregation), f"{uid} differs; run: make generate"


@pytest.mark.parametrize("aggregation", ENGINES)
def test_boards_have_no_problem(aggregation: str) -> None:
    """Every rule holds for every board."""
    assert problems(shipped.texts(aggregation)) == []


def _without_queries(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_queries(value) for key, value in content.items() if key != "expr"}
    return [_without_queries(one) for one in content] if isinstance(content, list) else content


def test_engines_differ_in_queries_only() -> None:
    """A reader who moves from one engine to the other finds the same panels, and other queries in them."""
    exact, stock = ({uid: json.loads(text) for uid, text in shipped.texts(name).items()} for name in ("exact", "stock"))
    assert _without_queries(exact) == _without_queries(stock)
    for uid in ("batch-fleet", "batch-job", "batch-sla"):
        assert exact[uid] != stock[uid]


@pytest.mark.parametrize("uid", shipped.texts("exact"))
def test_each_panel_leads_on_to_another_panel_or_board(uid: str) -> None:
    """A reader who has seen something finds the next place from the panel itself."""
    board = json.loads(shipped.texts("exact")[uid])
    assert [link["tags"] for link in board["links"]] == [["batchtel"]]
    assert "batchtel" in board["tags"]
    for panel in board["panels"]:
        links = panel.get("links", []) + panel.get("fieldConfig", {}).get("defaults", {}).get("links", [])
        assert panel["type"] == "row" or any(link["url"].startswith("/d/batch-") for link in links), panel["title"]


@pytest.mark.parametrize("aggregation", ENGINES)
def test_a_link_of_one_job_passes_that_job(aggregation: str) -> None:
    """Where a row or a line is one job, links pass its environment, service and name, not those of the variables."""
    found = 0
    for uid, text in shipped.texts(aggregation).items():
        for panel in json.loads(text)["panels"]:
            legends = [target.get("legendFormat", "") for target in panel.get("targets", [])]
            row = panel["type"] == "table" and "job_name" in json.dumps(panel.get("targets", []))
            if not (row or any("{{job_name}}" in legend for legend in legends)) or uid in AIRFLOW:
                continue
            value = '__data.fields["{}"]' if row else "__field.labels.{}"
            names = ("deployment_environment_name", "job", "job_name")
            passed = [f"${{{value.format(name)}:percentencode}}" for name in names]
            wanted = "&".join(
                f"var-{key}={one}" for key, one in zip(("environment", "service", "job"), passed, strict=True)
            )
            if panel["targets"][0]["datasource"]["type"] != "prometheus":
                continue
            for link in panel["fieldConfig"]["defaults"]["links"]:
                found += 1
                assert f"?{wanted}&" in link["url"], (uid, panel["title"])
    assert found > 20


def test_a_run_is_selected_with_its_environment_and_service() -> None:
    """Every query of the boards of runs selects the environment and the service; the link of a run passes its own."""
    for uid in ("batch-run", "batch-run-victorialogs"):
        board = json.loads(shipped.texts("exact")[uid])
        targets = [target for panel in board["panels"] for target in panel.get("targets", [])]
        assert len(targets) == 7
        for target in targets:
            assert "environment" in json.dumps(target), target
            assert "$service" in json.dumps(target) or "${service_name" in json.dumps(target), target
        (link,) = [
            setting["value"][0]["url"]
            for panel in board["panels"]
            for override in panel.get("fieldConfig", {}).get("overrides", [])
            for setting in override["properties"]
            if setting["id"] == "links"
        ]
        for name in ("environment", "service", "job"):
            assert f'var-{name}=${{__data.fields["{name}"]:percentencode}}' in link


@pytest.mark.parametrize("stores", provisioning.STORES)
def test_data_sources_refer_to_each_other(stores: str) -> None:
    """Uids are the pinned ones; exemplars and logs lead to the traces, traces to the logs of the same pair."""
    content = yaml.safe_load(provisioning.sources(stores))
    assert content["apiVersion"] == 1
    by_uid = {entry["uid"]: entry for entry in content["datasources"]}
    logs, traces = provisioning.STORES[stores]
    assert list(by_uid) == ["batchtel-prometheus", logs.uid, traces.uid]
    for source in SOURCES:
        if source.uid in by_uid:
            assert by_uid[source.uid]["type"] == source.plugin
            assert by_uid[source.uid]["url"] == f"${source.address}"
    (exemplar,) = by_uid["batchtel-prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplar == {"name": "trace_id", "datasourceUid": traces.uid}
    assert by_uid[logs.uid]["jsonData"]["derivedFields"][0]["datasourceUid"] == traces.uid
    assert by_uid[traces.uid]["jsonData"]["tracesToLogsV2"]["datasourceUid"] == logs.uid
