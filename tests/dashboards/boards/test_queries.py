"""The PromQL of the boards: it parses, and reads only metrics and labels that exist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import promql_parser
import pytest

from batchtel.schema import signals
from batchtel_collector.render import airflow_metrics
from batchtel_dashboards import panel_queries, queries, rules
from batchtel_dashboards.boards import shipped
from batchtel_dashboards.engines import ENGINES, EXACT
from tests.support import boards as of_boards

RESOURCE: Final = {"job", "deployment_environment_name"}
OF_COLLECTOR: Final = {"instance", "receiver", "exporter", "data_type", "filter", "error", "reason", "signal"}
"""Labels of the collector's own metrics, and those that its queries set."""

COLLECTOR: Final = {
    "otelcol_exporter_enqueue_failed_log_records_total",
    "otelcol_exporter_enqueue_failed_metric_points_total",
    "otelcol_exporter_enqueue_failed_spans_total",
    "otelcol_exporter_queue_capacity",
    "otelcol_exporter_queue_size",
    "otelcol_deltatocumulative_datapoints_total",
    "otelcol_deltatocumulative_streams_tracked",
    "otelcol_processor_filter_datapoints_filtered_total",
    "otelcol_processor_run_rollup_overflowed_total",
    "otelcol_processor_run_rollup_rebucketed_total",
    "otelcol_processor_run_rollup_rejected_total",
    "otelcol_processor_run_rollup_series",
    *(
        f"otelcol_receiver_{verb}_{signal}_total"
        for verb in ("accepted", "refused")
        for signal in ("log_records", "metric_points", "spans")
    ),
}
"""Metrics of the collector 0.159 and of run_rollup that the boards may read."""


def _allowed() -> dict[str, set[str]]:
    """Return the names in Prometheus of what jobs send, recorded ones included, with the labels that each has."""
    allowed: dict[str, set[str]] = {}
    for metric in signals.METRICS:
        labels = {"instance", "boot", *RESOURCE, *metric.attributes}
        for total in rules.totals(metric):
            bucket = {"le"} if total.endswith("_bucket") else set()
            allowed[total] = labels | bucket
            allowed[rules.increment(total)] = (labels | bucket) - {"instance", "boot"}
            allowed[f"{total.removesuffix('_total')}:seen"] = labels | bucket
        if metric.kind == "maximum":
            allowed[metric.prometheus_name] = labels
            allowed[rules.maximum(metric)] = labels - {"instance", "boot"}
    for level in ("job", "step"):
        allowed[rules.live(level)] = allowed[rules.increment(f"batch_{level}_alive_time_seconds_total")]
    return allowed | _of_airflow()


def _of_airflow() -> dict[str, set[str]]:
    """Return the same of Airflow's own metrics."""
    found: dict[str, set[str]] = {}
    for row in airflow_metrics.MAPPED:
        labels = {"instance", "boot", "job", *airflow_metrics.labels(row.prometheus_name)}
        if row.kind == "timer":
            found[f"{row.prometheus_name}_bucket"] = labels | {"le"}
        else:
            found[row.prometheus_name] = labels
    return found


ALLOWED: Final = _allowed()


def _selectors(text: str) -> list[Any]:
    found: list[Any] = []

    def visit(node: object) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        if isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)
        return True

    promql_parser.walk(promql_parser.parse(text), visit)
    return found


def _grouped(text: str) -> set[str]:
    """Return the labels that aggregations keep or remove, and that matchings compare."""
    labels: set[str] = set()

    def visit(node: object) -> bool:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            labels.update(node.modifier.labels)
        if isinstance(node, promql_parser.BinaryExpr) and node.modifier and node.modifier.matching:
            labels.update(node.modifier.matching.labels)
        return True

    promql_parser.walk(promql_parser.parse(text), visit)
    return labels


def _every(aggregation: str) -> Iterator[tuple[str, str, str]]:
    for uid, text in shipped.texts(aggregation).items():
        for title, query in of_boards.queries(json.loads(text)):
            yield uid, title, of_boards.substituted(query)


@pytest.mark.parametrize("aggregation", ENGINES)
def test_every_query_parses(aggregation: str) -> None:
    """The grammar and the types of PromQL hold, with the variables of Grafana and the board put in."""
    texts = list(_every(aggregation))
    assert len(texts) > 50
    for uid, title, query in texts:
        try:
            promql_parser.parse(query)
        except ValueError as error:
            pytest.fail(f"{uid}, {title}: {error}: {query}")


@pytest.mark.parametrize("aggregation", ENGINES)
def test_metrics_and_labels_exist(aggregation: str) -> None:
    """Each metric is one of the tables or of the collector, and has every label by which it is selected."""
    for uid, title, query in _every(aggregation):
        selectors = _selectors(query)
        assert selectors, (uid, title)
        existing = OF_COLLECTOR | {"state"} if uid == "batch-pipeline" else set()
        for one in selectors:
            used = {matcher.name for matcher in one.matchers.matchers}
            if one.name in ALLOWED:
                assert used <= ALLOWED[one.name], (uid, title, one.name)
                existing |= ALLOWED[one.name]
            elif one.name is None:
                assert query.startswith(f"count({queries.OURS}"), (uid, title)
            else:
                assert one.name in COLLECTOR, (uid, title, one.name)
                assert uid == "batch-pipeline", (uid, title)
                assert used <= OF_COLLECTOR, (uid, title, one.name)
        assert _grouped(query) <= existing, (uid, title)


def test_stock_reads_rules() -> None:
    """A total of stock starts again with each restart of the collector: boards read what the rules record of it."""
    for uid, title, query in _every("stock"):
        for one in _selectors(query):
            read = one.name or ""
            assert not read.startswith("batch_") or read in rules.names() or uid == "batch-pipeline", (uid, title, read)


def test_states_have_a_number_each() -> None:
    """A chart of states needs numbers: each state of the table has one, and it is the place in the table."""
    query = panel_queries.state_code("job", engine=EXACT)
    for code, state in enumerate(signals.STATES):
        assert f'label_replace(vector({code}), "state", "{state}", "", "")' in query


def test_a_variable_has_no_offset() -> None:
    """What a chart adds up in a step cannot be that of a week before: its seconds are existing to Grafana only."""
    with pytest.raises(ValueError, match=r"\$__interval is a variable of a dashboard; 604800 s cannot be added to it"):
        queries.added("batch.job.completions", "$__interval", ago="7d")


def test_values_of_variables_are_patterns() -> None:
    """A variable with several values is a regular expression; any other value is matched as it is."""
    text = queries.added("batch.job.completions", "1h", labels={"job_name": queries.Pattern("$job"), "status": "lost"})
    assert '{job_name=~"$job", status="lost"}' in text
