"""Trace ids of DAG runs, which every process of one Airflow computes, and no other Airflow shares."""

from __future__ import annotations

import pytest

from batchtel.runs.dag_run_ids import of_dag_run

SERVICES: tuple[dict[str, str], ...] = (
    {},
    {"OTEL_SERVICE_NAME": "airflow-sales"},
    {"OTEL_SERVICE_NAME": "airflow-finance"},
    {"OTEL_RESOURCE_ATTRIBUTES": "service.namespace=sales"},
    {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=staging"},
    {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production"},
    {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production", "OTEL_SERVICE_NAME": "airflow-sales"},
)


def test_two_airflows_have_two_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """One DAG id and run id are two traces where service, namespace or environment differ; else one."""
    traces = []
    for service in SERVICES:
        with monkeypatch.context() as patched:
            for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
                patched.delenv(name, raising=False)
            for name, value in service.items():
                patched.setenv(name, value)
            traces.append(of_dag_run("nightly", "scheduled__2026-03-01", "").trace_id)
            assert of_dag_run("nightly", "scheduled__2026-03-01", "").trace_id == traces[-1]
    assert len(set(traces)) == len(SERVICES)


def test_the_variable_and_the_attribute_name_one_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SERVICE_NAME and service.name are the same, and the variable is the one that counts."""
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "airflow")
    one = of_dag_run("nightly", "1", "")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other")
    assert of_dag_run("nightly", "1", "") == one
    monkeypatch.delenv("OTEL_SERVICE_NAME")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=airflow")
    assert of_dag_run("nightly", "1", "") == one
