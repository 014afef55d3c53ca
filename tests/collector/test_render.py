"""The rendered configuration: committed as rendered, and right in what can be read off its text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import batchtel_collector
from batchtel.schema import signals
from batchtel_collector.environment.load import load
from batchtel_collector.environment.role_variants import Variant, variants
from batchtel_collector.environment.values import is_loopback
from batchtel_collector.render import airflow_conditions
from batchtel_collector.render.configuration import RENDERED, TEMPLATES, WRITER, render
from batchtel_collector.render.formats import file_name, formatted, forms

MANIFEST = Path(batchtel_collector.__file__).parent / "distribution" / "builder.yaml"

MODULES = {
    "otlp": "otlpreceiver",
    "prometheus/cadence": "prometheusreceiver",
    "prometheus/self": "prometheusreceiver",
    "memory_limiter": "memorylimiterprocessor",
    "batch": "batchprocessor",
    "cumulative_to_delta": "cumulativetodeltaprocessor",
    "delta_to_cumulative": "deltatocumulativeprocessor",
    "filter": "filterprocessor",
    "groupbyattrs": "groupbyattrsprocessor",
    "transform": "transformprocessor",
    "run_rollup": "runrollup",
    "prometheus/series": "prometheusexporter",
    "prometheus_remote_write": "prometheusremotewriteexporter",
    "otlp_grpc": "otlpexporter",
    "otlp_http": "otlphttpexporter",
    "file_storage": "filestorage",
    "health_check": "healthcheckextension",
    "bearertokenauth": "bearertokenauthextension",
    "forward": "forwardconnector",
    "file": "fileexporter",
}
"""Component (or its type) -> the last part of the Go module that has it in contrib 0.159."""

SECTIONS = ("extensions", "receivers", "processors", "connectors", "exporters")


@pytest.fixture(params=variants(), ids=lambda variant: variant.stem)
def variant(request: pytest.FixtureRequest) -> Variant:
    """Each shipped environment in each of its roles."""
    found: Variant = request.param
    return found


@pytest.fixture(params=["exact", "stock"])
def rendered(variant: Variant, request: pytest.FixtureRequest) -> str:
    """The rendered configuration of a shipped environment, for each of the two ways to aggregate."""
    return render(load(variant.name, {"aggregation": request.param}, variant.role))


@pytest.fixture
def configuration(rendered: str) -> Any:
    """The rendered configuration of a shipped environment, read back as YAML."""
    return yaml.safe_load(rendered)


@pytest.fixture
def adding(configuration: Any, variant: Variant) -> Any:
    """The configuration of those that add up; an agent does not."""
    if variant.role == "agent":
        pytest.skip("an agent adds nothing up")
    return configuration


@pytest.fixture
def exact(adding: Any) -> Any:
    """The configuration of those that add up by run_rollup."""
    if "run_rollup" not in adding["processors"]:
        pytest.skip("with stock")
    return adding


@pytest.fixture
def stock(adding: Any) -> Any:
    """The configuration of those that add up by components of the contrib image."""
    if "run_rollup" in adding["processors"]:
        pytest.skip("with exact")
    return adding


def metric_pipelines(configuration: Any) -> dict[str, Any]:
    """Return the pipelines that carry metrics."""
    pipelines: dict[str, Any] = configuration["service"]["pipelines"]
    return {name: parts for name, parts in pipelines.items() if name.startswith("metrics")}


def test_committed_rendering_is_current(variant: Variant) -> None:
    """What reviewers read in rendered/ is what this version renders, in each format."""
    environment = variant.environment()
    for form in forms(environment):
        file = file_name(variant.stem, form)
        repair = (
            f"batchtel config render --env {variant.name} --role {variant.role} --format {form} "
            "-o collector/batchtel_collector/rendered/"
        )
        assert formatted(environment, form, variant.stem) == (RENDERED / file).read_text(encoding="utf-8"), (
            f"rendered/{file} is out of date; repair it with: {repair}"
        )


def test_every_rendering_belongs_to_an_environment() -> None:
    """A file left over from an environment that is gone would be read as if it counted."""
    expected = {file_name(variant.stem, form) for variant in variants() for form in forms(variant.environment())}
    assert {path.name for path in RENDERED.iterdir()} == expected


def test_every_component_is_used(configuration: Any) -> None:
    """A component that no pipeline names is configured and does nothing."""
    service = configuration["service"]
    used = set(service["extensions"])
    for pipeline in service["pipelines"].values():
        used |= {*pipeline["receivers"], *pipeline["processors"], *pipeline["exporters"]}
    assert {name for section in SECTIONS for name in configuration.get(section, {})} == used


def test_every_component_is_in_the_distribution(configuration: Any) -> None:
    """The manifest builds every component that is named; stock names only those of the official contrib image."""
    built = MANIFEST.read_text(encoding="utf-8")
    for section in SECTIONS:
        for name in configuration.get(section, {}):
            module = MODULES.get(name) or MODULES[name.split("/")[0]]
            version = "v0.0.0" if name == "run_rollup" else "v0.159.0"
            assert re.search(rf"/{module} {re.escape(version)}$", built, re.MULTILINE), f"{name} needs {module}"


def test_no_open_listener_without_tls_and_token(configuration: Any) -> None:
    """Whoever is on another machine needs the token, and is encrypted; the health page has no content."""
    protocols = configuration["receivers"]["otlp"]["protocols"]
    open_ones = [part for part in protocols.values() if not is_loopback(part["endpoint"])]
    for part in open_ones:
        assert set(part["tls"]) >= {"cert_file", "key_file"}
        assert part["auth"] == {"authenticator": "bearertokenauth/senders"}
    listeners = [part["endpoint"] for name, part in configuration["exporters"].items() if name == "prometheus/series"]
    reader = configuration["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    listeners.append(f"{reader['host']}:{reader['port']}")
    assert {listener.rpartition(":")[0] for listener in listeners} == {"127.0.0.1"}


def _is_private(name: str, exporter: Any) -> bool:
    """Return whether an exporter writes a file, goes to loopback or uses TLS; one of another kind does none of them."""
    if name.partition("/")[0] == "file":
        return True
    address = exporter.get("http", exporter).get("endpoint")
    if address is None:
        return False
    plain = address.startswith("http://") or exporter.get("tls", {}).get("insecure", False)
    return is_loopback(address) or not plain


def test_nothing_leaves_the_machine_in_plaintext(configuration: Any) -> None:
    """Each exporter has an address on loopback, speaks TLS, or writes a file."""
    assert {name for name, part in configuration["exporters"].items() if not _is_private(name, part)} == set()


def test_no_run_id_on_metrics(adding: Any) -> None:
    """Metrics keep labels of one of the two tables; each list of kept keys is a part of one."""
    allowed = ({*signals.labels(), "deployment_environment_name", *WRITER}, {*airflow_conditions.LABELS, *WRITER})
    transforms = [part for name, part in adding["processors"].items() if name.startswith("transform")]
    kept = [
        set(re.findall(r'"([^"]+)"', keys))
        for keys in re.findall(r"keep_keys\(datapoint\.attributes,\s+\[([^]]*)\]", yaml.safe_dump(transforms))
    ]
    kept += [{*metric["labels"]} for metric in adding["processors"].get("run_rollup", {}).get("metrics", {}).values()]
    assert len(kept) > len({metric.attributes for metric in signals.METRICS})
    for keys in kept:
        assert any(keys <= table for table in allowed)
    for pipeline in metric_pipelines(adding).values():
        for processor in pipeline.get("processors", []):
            assert "run.id" not in str(adding["processors"][processor])
            assert "run_id" not in str(adding["processors"][processor])


def test_run_rollup_exports_only_what_is_allowed(exact: Any) -> None:
    """Its own lists name every label: a point that a transform has failed on exports no other."""
    rollup = exact["processors"]["run_rollup"]
    assert rollup["resource_attributes"] == ["service.name", "service.namespace", "service.instance.id"]
    table = {*signals.labels(), "deployment_environment_name", *airflow_conditions.LABELS}
    assert set(rollup["defaults"]["labels"]) <= table
    assert rollup["limits"]["series"] > 0
    assert rollup["defaults"]["limit"] > 0


@pytest.mark.parametrize("role", ["standalone", "agent", "gateway"])
def test_without_airflows_metrics_no_rule_is_about_them(role: str) -> None:
    """What remains is one filter, the first that metrics pass, with the condition that finds them."""
    base = "local" if role == "standalone" else "production"
    configuration = yaml.safe_load(render(load(base, {"airflow_metrics": False}, role)))
    order = configuration["service"]["pipelines"]["metrics/in"]["processors"]
    assert order[:2] == ["memory_limiter", "filter/airflow"]
    assert configuration["processors"].pop("filter/airflow") == {
        "error_mode": "ignore",
        "metric_conditions": [airflow_conditions.SENT_BY_OTLP],
    }
    order.remove("filter/airflow")
    assert re.findall(r"(?i)airflow|af_agg|dag_id", str(configuration)) == []


def test_labels_are_bounded_before_points_are_added(exact: Any) -> None:
    """The identity is folded before anything is removed; nothing is batched, which would acknowledge too early."""
    order = exact["service"]["pipelines"]["metrics/in"]["processors"]
    assert order.index("transform/identity") < order.index("transform/labels") < order.index("run_rollup")
    assert [name for name in order if name.startswith("batch")] == []
    if "prometheus_remote_write" in exact["exporters"]:
        assert exact["exporters"]["prometheus_remote_write"]["remote_write_queue"] == {"enabled": False}


def test_labels_are_bounded_before_points_meet(stock: Any) -> None:
    """Behind the batch a run id would already have split a series."""
    order = stock["service"]["pipelines"]["metrics/in"]["processors"]
    assert order.index("transform/labels") < order.index("batch/serialize") < order.index("delta_to_cumulative")
    assert stock["processors"]["batch/serialize"] == {"timeout": "0s"}


def test_a_series_outlives_its_sum(stock: Any) -> None:
    """The exporter forgets later than delta_to_cumulative, whose sweep runs each minute."""
    stale = stock["processors"]["delta_to_cumulative"]["max_stale"]
    expiration = stock["exporters"]["prometheus/series"]["metric_expiration"]
    assert (stale, expiration) == ("840h", "50405m")
    assert 840 * 60 + 1 < 50405


def test_every_metric_of_the_table_has_its_shape(stock: Any) -> None:
    """Unit, bucket layout and labels of each metric are rendered from the table, so that none is forgotten."""
    labels = str(stock["processors"]["transform/labels"])
    groups = stock["processors"]["transform/shape"]["metric_statements"]
    statements = {text.split(" where ")[0]: text for group in groups for text in group["statements"]}
    others = {
        marker: str(group["conditions"])
        for group in groups
        for text in group["statements"]
        for marker in re.findall(r'^set\(datapoint\.attributes\["_other"\], ("[0-9]+")\)$', text)
    }
    for metric in signals.METRICS:
        assert f'"{metric.name}"' in statements[f'set(metric.unit, "{metric.unit}")']
        keys = ", ".join(f'"{key}"' for key in (*metric.attributes, "deployment_environment_name"))
        assert f"keep_keys(datapoint.attributes, [{keys}]) where" in labels
        if metric.bounds:
            layout = ", ".join(map(repr, metric.bounds))
            empty = "0, " * len(metric.bounds)
            for setting in (f"explicit_bounds, [{layout}]", f"bucket_counts, [{empty}datapoint.count]"):
                (marker,) = re.findall(r'"[0-9]+"$', statements[f"set(datapoint.{setting})"])
                assert f'"{metric.name}"' in others[marker], f"{metric.name}: {setting}"


def test_every_metric_of_the_table_is_in_run_rollup(exact: Any) -> None:
    """Kind, unit, bucket bounds and labels of each metric are rendered from the table, so that none is forgotten."""
    blocks = exact["processors"]["run_rollup"]["metrics"]
    assert [name for name in blocks if name != "af_agg_*"] == [metric.name for metric in signals.METRICS]
    for metric in signals.METRICS:
        block = blocks[metric.name]
        maximum = metric.kind == "maximum"
        assert (block["kind"], block.get("gauge")) == (("gauge", "maximum") if maximum else (metric.kind, None))
        assert (block["unit"], tuple(block.get("bounds", ()))) == (metric.unit, metric.bounds)
        assert block["labels"] == [*metric.attributes, "deployment_environment_name"]


def test_unknown_jobs_become_other_only_when_asked(tmp_path: Path) -> None:
    """With unknown_jobs: other the list of names is part of the configuration."""
    rule = 'set(datapoint.attributes["job_name"], "other")'
    catalogue = tmp_path / "jobs.toml"
    catalogue.write_text("[jobs.nightly]\n", encoding="utf-8")
    listed = {"unknown_jobs": "other", "catalogue": str(catalogue)}
    assert rule not in render(load("local", {"aggregation": "stock"}))
    text = render(load("local", {"aggregation": "stock", **listed}))
    assert rule in text
    assert 'not ContainsValue(["nightly", "other"], datapoint.attributes["job_name"])' in text
    allowed = [
        yaml.safe_load(render(load("local", more)))["processors"]["run_rollup"]["defaults"]["allowed_values"]
        for more in ({}, listed)
    ]
    assert [values.get("job_name") for values in allowed] == [None, ["nightly", "other"]]


def test_templates_are_small() -> None:
    """One intent per file, to be read on one screen."""
    long = {path.name for path in TEMPLATES.iterdir() if len(path.read_text(encoding="utf-8").splitlines()) > 90}
    assert long == set()
