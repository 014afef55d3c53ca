"""Real Airflow beside a real stack, on which the DAGs of `dags` have run once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from batchtel_dashboards.stores import Prometheus
from batchtel_stack import ports
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.airflow import acts, lines
from tests.airflow.airflow import Airflow
from tests.airflow.installation import HERE, install
from tests.support import spark_programs, worlds
from tests.support.spark_programs import without_java
from tests.support.witness import Witness

SERVICE: Final = "airflow-tests"

VERSIONS: Final = (
    "3.3",
    "2.11",
    *(pytest.param(version, marks=pytest.mark.versions) for version in ("3.1", "2.10")),
)
"""What is tested: a folder each, with its lock; those that are marked by `make test-airflow-versions` only."""

EXAMPLES: Final = ("race", "retry", "green_tick", "long_sensor", "mapped_etl", "sensor_etl")
"""The DAGs of docs/airflow."""

SPARK: Final = "4.1"
"""The version of Spark that a task starts."""


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End an Airflow after the last of its tests: pytest ends a fixture of the session no earlier than that."""
    if nextitem is None or worlds.world_of(nextitem.nodeid) != worlds.world_of(item.nodeid):
        worlds.AT_END.close()


@dataclass(frozen=True)
class Played:
    """Airflow after the runs, and what the stores have."""

    version: str
    airflow: Airflow
    witness: Witness
    prometheus: Prometheus


@pytest.fixture(scope="session", params=VERSIONS)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Airflow of one version, which has run every DAG once with the plugin as it is installed, and a stack."""
    folder = tmp_path_factory.mktemp("airflow")
    statsd = f"{ports.HOST}:{ports.free(1)[0]}"
    overrides = {"airflow_metrics": True, "listen": {"statsd": statsd}}
    with Stack.running(folder / "stack", Ports.free(), export_interval="1s", overrides=overrides) as stack:
        witness = Witness(stack, SERVICE)
        # No log of the DAG `refused` can be opened.
        (folder / "home/logs").mkdir(parents=True)
        (folder / "home/logs/dag_id=refused").touch()
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http, "OTEL_SERVICE_NAME": SERVICE}
        variables |= lines.own_metrics(request.param, stack.otlp_http, statsd)
        if not without_java():
            path = (str(install(request.param)), os.environ["PATH"], str(spark_programs.programs(SPARK)))
            variables |= {**spark_programs.variables(SPARK), "PATH": os.pathsep.join(path)}
        with lines.running(request.param, folder / "home", HERE / "dags", variables) as airflow:
            worlds.AT_END.callback(airflow.stop)
            airflow.wait("etl", "outcomes", "children", "reported_once", *EXAMPLES)
            yield Played(request.param, airflow, witness, Prometheus(stack.prometheus))


@pytest.fixture(scope="session")
def acted(played: Played) -> Played:
    """The same Airflow, after everything was done by hand that can be, with nothing left to run."""
    acts.perform(played.airflow, played.witness)
    return played
