"""The links between the data sources of Grafana, as provisioning writes them, on the real stores that they lead to."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import pytest
import yaml

from batchtel_dashboards.boards import provisioning
from batchtel_dashboards.boards.sources import JAEGER, PROMETHEUS, VICTORIALOGS
from batchtel_dashboards.stores import Jaeger, VictoriaLogs
from batchtel_stack.stack import Stack
from tests.support.polling import until
from tests.support.process import start

SERVICE: Final = "data-sources"

SCRIPT: Final = """
import logging, batchtel
with batchtel.job("linked"):
    logging.getLogger().warning("a line of the run")
"""


@pytest.fixture(scope="module")
def since(stack: Stack) -> float:
    """Unix time before the one run of a job with a log record."""
    before = time.time()
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http, "OTEL_SERVICE_NAME": SERVICE}
    _, errors = start(SCRIPT, None, **variables).communicate(timeout=60)
    assert "a line of the run" in errors
    return before


def _settings(uid: str) -> Any:
    """Return the settings of a data source; Grafana reads `$$` of a provisioning file as `$`."""
    content = yaml.safe_load(provisioning.sources("victorialogs-jaeger").replace("$$", "$"))
    (entry,) = [entry for entry in content["datasources"] if entry["uid"] == uid]
    return entry["jsonData"]


def _trace_id(stack: Stack, since: float) -> str:
    """Return the id of the trace that the exemplar of the run leads to."""
    (destination,) = _settings(PROMETHEUS.uid)["exemplarTraceIdDestinations"]
    assert destination["datasourceUid"] == JAEGER.uid
    fields = {"query": f'batch_job_duration_seconds_bucket{{job="{SERVICE}"}}', "start": since - 60}

    def look() -> str | None:
        found = stack.stores.prometheus.found("/api/v1/query_exemplars", {**fields, "end": time.time() + 60}, "data")
        return next((one["labels"][destination["name"]] for series in found for one in series["exemplars"]), None)

    return until("an exemplar in Prometheus", look, 60)


def _traces(stack: Stack) -> Jaeger:
    (store,) = stack.stores.traces
    assert isinstance(store, Jaeger)
    return store


def test_an_exemplar_leads_to_its_trace(stack: Stack, since: float) -> None:
    """Its label has the id of a trace in Jaeger, the one of the run."""
    trace_id = _trace_id(stack, since)
    spans = until("the trace in Jaeger", lambda: _traces(stack).trace(trace_id) or None, 60)
    assert [span.name for span in spans] == ["batch_job.linked"]


def test_a_span_leads_to_its_log_records_and_back(stack: Stack, since: float) -> None:
    """The query of the link finds them in VictoriaLogs, and the field of each is the id of a trace in Jaeger."""
    (store,) = stack.stores.logs
    assert isinstance(store, VictoriaLogs)
    trace_id = _trace_id(stack, since)
    link = _settings(JAEGER.uid)["tracesToLogsV2"]
    assert (link["datasourceUid"], link["customQuery"]) == (VICTORIALOGS.uid, True)
    query = link["query"].replace("${__trace.traceId}", trace_id)
    assert "$" not in query

    def look() -> list[dict[str, str]] | None:
        body = store.get("/select/logsql/query", {"query": query, "start": int((since - 3600) * 1e9), "limit": 100})
        records = [json.loads(line) for line in (body or b"").splitlines()]
        return records if any("a line of the run" in record["_msg"] for record in records) else None

    records = until("the log records in VictoriaLogs", look, 60)
    (field,) = _settings(VICTORIALOGS.uid)["derivedFields"]
    assert (field["matcherType"], field["url"], field["datasourceUid"]) == ("label", "${__value.raw}", JAEGER.uid)
    assert {record[field["matcherRegex"]] for record in records} == {trace_id}
    assert _traces(stack).trace(trace_id)
