"""Agents and gateways: which of the parts each has, and how an agent shares out what it gets."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from batchtel_collector.environment.load import load
from batchtel_collector.render.configuration import render

OVERRIDES = {
    "gateways": {
        "endpoints": ["127.0.0.1:5317", "gateway-1:5317"],
        "draining": ["gateway-2:5317"],
        "token": "/etc/batchtel/token",
        "ca": "/etc/batchtel/ca.crt",
        "certificate": "/etc/batchtel/agent.crt",
        "key": "/etc/batchtel/agent.key",
    }
}


def configuration(name: str, role: str, overrides: dict[str, Any] | None = None) -> Any:
    """Return a rendered configuration, read back as YAML."""
    return yaml.safe_load(render(load(name, overrides or {}, role)))


STOCK = {"aggregation": "stock"}


@pytest.mark.parametrize("aggregation", ["exact", "stock"])
def test_only_the_first_collector_reads_clocks(aggregation: str) -> None:
    """Behind a queue late is not wrong."""
    for role, first in (("standalone", True), ("agent", True), ("gateway", False)):
        processors = configuration("local", role, {**OVERRIDES, "aggregation": aggregation})["processors"]
        assert ("transform/clock" in processors) == first, role


def test_only_the_first_collector_makes_deltas_with_stock() -> None:
    """Two collectors with a memory of one stream would count it twice."""
    for role, first in (("standalone", True), ("agent", True), ("gateway", False)):
        processors = configuration("local", role, OVERRIDES | STOCK)["processors"]
        assert ("cumulative_to_delta" in processors) == first, role


def test_no_collector_makes_deltas_with_exact() -> None:
    """The one that adds up subtracts totals itself, per sender and over restarts: an agent forwards them."""
    for role in ("standalone", "agent", "gateway"):
        processors = configuration("local", role, OVERRIDES)["processors"]
        assert [name for name in processors if name in ("cumulative_to_delta", "transform/arrival")] == [], role


def test_only_those_who_add_up_have_series_with_stock() -> None:
    """An agent has no sums that a restart of it could lose."""
    for role, adds in (("standalone", True), ("agent", False), ("gateway", True)):
        rendered = configuration("local", role, OVERRIDES | STOCK)
        assert ("delta_to_cumulative" in rendered["processors"]) == adds, role
        assert ("prometheus/series" in rendered["exporters"]) == adds, role
        assert ("otlp_grpc/gateway_0" in rendered["exporters"]) == (not adds), role


def test_only_those_who_add_up_have_totals_with_exact() -> None:
    """An agent has no totals, and leaves the identity of senders as it is."""
    for role, adds in (("standalone", True), ("agent", False), ("gateway", True)):
        rendered = configuration("local", role, OVERRIDES)
        assert ("run_rollup" in rendered["processors"]) == adds, role
        assert ("transform/identity" in rendered["processors"]) == adds, role
        assert ("otlp_grpc/gateway_0" in rendered["exporters"]) == (not adds), role
        assert "prometheus/series" not in rendered["exporters"], role
        assert [name for name in rendered["receivers"] if name.startswith("prometheus/c")] == [], role


def test_totals_are_in_the_folder_of_the_queue() -> None:
    """One volume has all that has to survive a restart."""
    rendered = configuration("local", "standalone", {"queue": {"folder": "/var/lib/batchtel"}})
    assert rendered["extensions"]["file_storage/queue"]["directory"] == "/var/lib/batchtel"
    assert rendered["processors"]["run_rollup"]["directory"] == "/var/lib/batchtel/totals"


def test_a_gateway_that_drains_gets_nothing_new_and_keeps_its_queue() -> None:
    """Its exporter has the name of its queue; its pipelines let nothing in."""
    rendered = configuration("local", "agent", OVERRIDES)
    assert [name for name in rendered["exporters"] if name.startswith("otlp_grpc/")] == [
        "otlp_grpc/gateway_0",
        "otlp_grpc/gateway_1",
        "otlp_grpc/gateway_2",
    ]
    for signal in ("metrics", "traces", "logs"):
        pipelines = rendered["service"]["pipelines"]
        assert pipelines[f"{signal}/gateway_1"]["processors"] == ["filter/gateway_1"]
        assert pipelines[f"{signal}/gateway_2"]["processors"] == ["filter/draining"]


def test_every_queue_of_an_agent_is_on_disk_with_a_size_in_bytes() -> None:
    """What an agent has acknowledged survives it; fsync is on."""
    rendered = configuration("local", "agent", OVERRIDES)
    assert rendered["extensions"]["file_storage/queue"]["fsync"] is True
    for index in range(3):
        exporter = rendered["exporters"][f"otlp_grpc/gateway_{index}"]
        queue = exporter["sending_queue"]
        assert (queue["storage"], queue["sizer"], queue["queue_size"]) == ("file_storage/queue", "bytes", 2**30)
        assert exporter["compression"] == "gzip"
        assert exporter["retry_on_failure"]["max_elapsed_time"] == 0


def test_credentials_are_shown_to_whom_they_are_meant_for() -> None:
    """TLS off loopback, the token by its file, and the certificate of mutual TLS."""
    rendered = configuration("local", "agent", OVERRIDES)
    exporter = rendered["exporters"]["otlp_grpc/gateway_1"]
    assert exporter["tls"] == {
        "ca_file": "/etc/batchtel/ca.crt",
        "cert_file": "/etc/batchtel/agent.crt",
        "key_file": "/etc/batchtel/agent.key",
    }
    assert exporter["auth"] == {"authenticator": "bearertokenauth/gateways"}
    assert rendered["extensions"]["bearertokenauth/gateways"] == {"filename": "/etc/batchtel/token"}
    assert "bearertokenauth/gateways" in rendered["service"]["extensions"]


def test_the_tenant_is_a_header_of_the_stores() -> None:
    """Each store sees it by the header that it reads; no sender can choose another."""
    both = {"loki": {"endpoint": "http://127.0.0.1:3100/otlp"}, "tempo": {"endpoint": "127.0.0.1:4329"}}
    numbers = {"victorialogs": {"account": 3, "project": 4}}
    exporters = configuration("local", "standalone", {"tenant": "batch", **both, **numbers})["exporters"]
    assert exporters["prometheus_remote_write"]["http"]["headers"] == {"X-Scope-OrgID": "batch"}
    assert exporters["otlp_http/loki"]["headers"] == {"X-Scope-OrgID": "batch"}
    assert exporters["otlp_grpc/tempo"]["headers"] == {"X-Scope-OrgID": "batch"}
    assert exporters["otlp_grpc/jaeger"]["headers"] == {"x-tenant": "batch"}
    assert exporters["otlp_http/victorialogs"]["headers"] == {
        "VL-Stream-Fields": "service.name,service.namespace,deployment.environment.name,batch.job.name",
        "AccountID": "3",
        "ProjectID": "4",
    }


@pytest.mark.parametrize(
    ("aggregation", "metrics"), [("exact", ["metrics/in", "metrics/self"]), ("stock", ["metrics/vendor"])]
)
def test_a_vendor_gets_all_three_signals(aggregation: str, metrics: list[str]) -> None:
    """The headers are references, and no store is named."""
    rendered = configuration("vendor", "standalone", {"aggregation": aggregation})
    assert [name for name in rendered["exporters"] if name != "prometheus/series"] == [
        "otlp_http/vendor",
        "otlp_http/vendor_metrics",
    ]
    assert rendered["exporters"]["otlp_http/vendor"]["headers"] == {"api-key": "${env:VENDOR_API_KEY}"}
    sent = {
        name: pipeline["exporters"]
        for name, pipeline in rendered["service"]["pipelines"].items()
        if any("vendor" in exporter for exporter in pipeline["exporters"])
    }
    assert sent == {
        **{name: ["otlp_http/vendor_metrics"] for name in metrics},
        "traces/vendor": ["otlp_http/vendor"],
        "logs/vendor": ["otlp_http/vendor"],
    }


@pytest.mark.parametrize("role", ["standalone", "gateway"])
def test_totals_at_a_vendor_have_a_service_namespace_of_their_own(role: str) -> None:
    """With stock the label `job` is split again; run_rollup exports the two as they came."""
    vendor = {"vendor": {"endpoint": "https://otlp.example.com"}}
    stock = configuration("local", role, vendor | STOCK)
    assert stock["service"]["pipelines"]["metrics/vendor"]["processors"] == ["transform/vendor"]
    exact = configuration("local", role, vendor)
    assert "transform/vendor" not in exact["processors"]
    assert exact["service"]["pipelines"]["metrics/in"]["processors"][-2:] == ["run_rollup", "transform/overflow"]
    assert exact["service"]["pipelines"]["metrics/in"]["exporters"] == ["prometheus_remote_write", "forward/others"]
    assert exact["service"]["pipelines"]["metrics/others"]["exporters"] == ["otlp_http/vendor_metrics"]
    assert "service.namespace" in exact["processors"]["run_rollup"]["resource_attributes"]


@pytest.mark.parametrize("aggregation", ["exact", "stock"])
def test_an_agent_sends_a_vendor_its_own_metrics_as_they_are(aggregation: str) -> None:
    """Their service is `otelcol`, without a namespace."""
    overrides = {**OVERRIDES, "vendor": {"endpoint": "https://otlp.example.com"}, "aggregation": aggregation}
    rendered = configuration("local", "agent", overrides)
    assert rendered["service"]["pipelines"]["metrics/self_vendor"] == {
        "receivers": ["prometheus/self"],
        "processors": [],
        "exporters": ["otlp_http/vendor_metrics"],
    }
    assert "transform/vendor" not in rendered["processors"]


@pytest.mark.parametrize(
    ("aggregation", "totals"),
    [("exact", {"metrics/others": ["debug"]}), ("stock", {"metrics/cadence": ["prometheus_remote_write", "debug"]})],
)
def test_more_receivers_and_exporters_join_their_pipelines(aggregation: str, totals: dict[str, list[str]]) -> None:
    """Metrics of another receiver pass the same allow-list; another exporter gets what was added up."""
    rendered = configuration(
        "local",
        "standalone",
        {
            "aggregation": aggregation,
            "receivers": {"otlp/more": {"signals": ["metrics"], "settings": {"protocols": {"http": {}}}}},
            "exporters": {"debug": {"signals": ["metrics", "logs"], "settings": {"verbosity": "basic"}}},
        },
    )
    pipelines = rendered["service"]["pipelines"]
    assert pipelines["metrics/in"]["receivers"] == ["otlp", "otlp/more"]
    assert pipelines["traces/jaeger"]["receivers"] == ["otlp"]
    assert {name: pipelines[name]["exporters"] for name in totals} == totals
    assert pipelines["logs/victorialogs"]["exporters"] == ["otlp_http/victorialogs", "debug"]
    assert rendered["receivers"]["otlp/more"] == {"protocols": {"http": {}}}


def test_overrides_are_merged_last(tmp_path: Any) -> None:
    """Mappings key by key, lists and values whole, null removes a key; the header has the rule."""
    (tmp_path / "overrides.yaml").write_text(
        "extensions: {zpages: {endpoint: '127.0.0.1:55679'}, health_check: null}\n"
        "service: {extensions: [file_storage/queue, zpages]}\n"
    )
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: local\nname: mine\noverrides: ./overrides.yaml\n")
    text = render(load(str(mine)))
    rendered = yaml.safe_load(text)
    assert set(rendered["extensions"]) == {"file_storage/queue", "zpages"}
    assert rendered["service"]["extensions"] == ["file_storage/queue", "zpages"]
    assert rendered["service"]["pipelines"] == configuration("local", "standalone")["service"]["pipelines"]
    assert (
        "# overrides.yaml is merged over it: mappings key by key, lists and values whole; null removes a key.\n" in text
    )


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_conditions_share_out_everything_once(count: int) -> None:
    """Whatever hash a name has, also a negative one, exactly one gateway keeps it."""
    endpoints = [f"127.0.0.1:{5000 + index}" for index in range(count)]
    processors = configuration("local", "agent", {"gateways": {"endpoints": endpoints}})["processors"]
    for number in range(-2 * count, 2 * count + 1):
        kept = [
            index
            for index in range(count)
            if not _dropped(processors[f"filter/gateway_{index}"]["metric_conditions"][0], number)
        ]
        assert len(kept) == 1, (number, kept)


def _dropped(condition: str, hashed: int) -> bool:
    """Evaluate a condition with `hashed` for each FNV(...); OTTL divides whole numbers as Go does, towards zero."""
    text = re.sub(r'FNV\(Concat\(\[datapoint\.attributes\["job_name"\]\], ""\)\)', "h", condition)
    count = int(re.findall(r"h / (\d+)", text)[0])
    remainder = hashed - int(hashed / count) * count
    return all(remainder != int(other) for other in re.findall(r"!= (-?\d+)", text))
