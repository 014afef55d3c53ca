"""Runs of the DAG `hosted`, each under a scheduler of its own: with batchtel, without, and with what may go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pytest

from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from benchmarks import programs as addresses
from tests.airflow import lines
from tests.airflow.hosted.schedulers import DAG_ID, Played, play
from tests.airflow.installation import HERE
from tests.support import worlds
from tests.support.witness import Witness

SERVICE: Final = "airflow-hosted"
PLUGINS: Final = HERE / "hosted" / "plugins"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that the runs send to whose collector works."""
    with Stack.running(tmp_path_factory.mktemp("hosted-stack"), Ports.free(), export_interval="1s") as running:
        yield running


@pytest.fixture(scope="session")
def witness(stack: Stack) -> Witness:
    """What the stores have of the runs."""
    return Witness(stack, SERVICE)


@pytest.fixture(scope="session")
def environments(stack: Stack) -> Iterator[Mapping[str, Mapping[str, str]]]:
    """The variables of the scheduler for each kind of run."""
    named = {"OTEL_SERVICE_NAME": SERVICE, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
    with addresses.hanging() as hanging:
        up = named | {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http}
        down = named | {"OTEL_EXPORTER_OTLP_ENDPOINT": addresses.refused().http}
        yield {
            "off": {},
            "up": up,
            "hangs": named | {"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.http},
            "down": down,
            "defective": down | {"AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS / "defective")},
            "crashing": {"AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS / "crashing")},
            "traced": up | {"AIRFLOW__TRACES__OTEL_ON": "True", "OTEL_TRACES_EXPORTER": "otlp_proto_http"},
        }


@pytest.fixture(scope="session", params=["3.3", "2.11"])
def run(
    request: pytest.FixtureRequest,
    environments: Mapping[str, Mapping[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Played]]:
    """Return the run of one kind, which is played when it is first asked for."""
    home, played = tmp_path_factory.mktemp("hosted") / "home", dict[str, Played]()
    own = {"AIRFLOW__CORE__PARALLELISM": "3"}
    with lines.running(request.param, home, HERE / "hosted" / "dags", own, scheduler=False) as airflow:
        worlds.AT_END.callback(airflow.stop)

        def of(kind: str) -> Played:
            if kind not in played:
                played[kind] = play(airflow, f"hosted-{kind}", environments[kind])
            return played[kind]

        airflow.wait_for_dag(DAG_ID)
        yield of
