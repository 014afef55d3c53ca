"""A metric larger than an agent's queue accepts: its request loses nothing else, and it arrives or is counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.pipeline.bench import of_namespace, read_page
from tests.pipeline.conftest import Prometheus
from tests.pipeline.telemetry import Telemetry
from tests.pipeline.tiers import Tiers
from tests.support import file_sink, otlp
from tests.support.polling import until

LARGE: Final = 3_000_000
EXEMPLAR: Final = {"asInt": "1", "traceId": "7" * 32, "spanId": "7" * 16, "timeUnixNano": "1"}


def _counter(number: int, **point: Any) -> dict[str, Any]:
    points = [{"asInt": "1", **point, "attributes": {"job_name": f"job {number}", **point.get("attributes", {})}}]
    return {
        "name": "shop.rows",
        "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": points},
    }


def _histogram(bounds: int) -> dict[str, Any]:
    point = {"attributes": {"job_name": "job 11"}, "count": "1", "sum": 1, "bucketCounts": [1, *[0] * bounds]}
    points = [{**point, "explicitBounds": list(range(bounds))}]
    return {"name": "shop.latency", "histogram": {"aggregationTemporality": 1, "dataPoints": points}}


ARRIVES: Final[dict[str, Mapping[str, Any]]] = {
    "a description": _counter(11) | {"description": "d" * LARGE},
    "a unit": _counter(11) | {"unit": "{" + "u" * LARGE + "}"},
    "a text": _counter(11, attributes={"text": "\u65e5" * (LARGE // 6)}),
    "a name of an attribute": _counter(11, attributes={"n" * LARGE: "x"}),
    "a list": _counter(11, attributes={"list": ["x" * 1000] * (LARGE // 1000)}),
    "many attributes": _counter(11, attributes={f"attribute {number}": "x" * 100 for number in range(LARGE // 100)}),
    "an exemplar": _counter(
        11, exemplars=[{**EXEMPLAR, "filteredAttributes": [{"key": "text", "value": {"stringValue": "x" * LARGE}}]}]
    ),
}
"""Kind -> the metric; its value is in the series of its job."""

OTHERS: Final[dict[str, Mapping[str, Any]]] = {
    "many exemplars": _counter(11, exemplars=[EXEMPLAR] * 40_000),
    "many buckets": _histogram(400_000),
}
"""Kind -> the metric: nothing of it can be cut, so filter/oversize drops and counts it."""


@pytest.fixture(scope="module")
def tiers(
    collector_program: Path,
    tmp_path_factory: pytest.TempPathFactory,
    free_ports: Callable[[int], list[int]],
    detail_sink: file_sink.Sink,
    prometheus: Prometheus,
) -> Tiers:
    """An agent and a gateway."""
    return Tiers(collector_program, tmp_path_factory.mktemp("tiers"), free_ports, detail_sink, prometheus.write)


def test_it_costs_no_neighbour(tiers: Tiers) -> None:
    """All kinds, each in a request of 22 metrics: the gateway has the neighbours, and the metric itself, cut."""
    resources = {"a resource": {"text": "x" * LARGE, "n" * LARGE: "x"}}
    scopes = {"a scope": {"name": "l" * (LARGE // 2), "version": "v" * (LARGE // 2), "attributes": {"a": "x" * LARGE}}}
    metrics: dict[str, Mapping[str, Any]] = {
        **ARRIVES,
        **OTHERS,
        **{kind: _counter(11) for kind in (*resources, *scopes)},
        "a name": _counter(11) | {"name": "shop." + "n" * LARGE},
    }
    with tiers.gateway("gateway-0") as gateway, tiers.agent(["gateway-0"]) as agent:
        with closing(otlp.Sender(tiers.listen("agent").otlp_http)) as sender:
            for kind, metric in metrics.items():
                resource = {"service.name": "etl", "service.namespace": kind, **resources.get(kind, {})}
                items = [metric if number == 11 else _counter(number) for number in range(22)]
                body = otlp.expand(
                    otlp.request(resource, scopes.get(kind, {}), "metrics", items), int(time.time()), 0, ""
                )
                assert sender.send(otlp.path(body), otlp.encoded(body, otlp.JSON))[0] == 200, kind
        page = tiers.listen("gateway-0").scrape
        expected = {kind: 21 if kind in OTHERS else 22 for kind in metrics}
        found: dict[str, int] = {}

        def arrived() -> bool | None:
            samples, _ = read_page(page)
            found.update({kind: len(list(of_namespace(samples, kind))) for kind in metrics})
            return True if found == expected else None

        until("all metrics at the gateway", arrived, 60, lambda: f"{found}\n{agent.tail(5)}\n{gateway.tail(5)}")
        samples, _ = read_page(page)
        named = [sample.name for sample in of_namespace(samples, "a name") if sample.name != "shop_rows_total"]
        assert [len(name) for name in named] == [255 + len("_total")]
        assert Telemetry(tiers.listen("agent").metrics, ["filter/oversize"]).dropped() == {"filter/oversize": 2}
