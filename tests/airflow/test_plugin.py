"""How Airflow finds the plugin, and that it is as good as not there when it is off."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.conftest import VERSIONS
from tests.airflow.installation import HERE, ROOT, install

pytestmark = pytest.mark.airflow

ON = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}

LOADED = """
import json, sys
from batchtel.airflow.plugin import BatchtelPlugin
names = [type(listener).__name__ for listener in BatchtelPlugin.listeners]
print(json.dumps([names, sorted(name for name in sys.modules if name.startswith("batchtel"))]))
"""


STARTED = """
import json, logging, sys
sys.argv = ["airflow", sys.argv[1]]
texts = []
class Keeping(logging.Handler):
    def emit(self, record):
        texts.append(record.getMessage())
import airflow
logging.getLogger("batchtel").addHandler(Keeping())
from batchtel.airflow.plugin import BatchtelPlugin
for listener in BatchtelPlugin.listeners * 2:
    listener.on_starting(component=None)
print(json.dumps(texts))
"""


@pytest.fixture(scope="module", params=VERSIONS)
def programs(request: pytest.FixtureRequest) -> Path:
    """The programs of one version of Airflow."""
    return install(request.param)


def _environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    bare = {name: text for name, text in os.environ.items() if not name.startswith(("OTEL_", "BATCHTEL_"))}
    return {**bare, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **variables}


def _listeners(programs: Path, folder: Path, variables: Mapping[str, str]) -> Any:
    """Return the names of the plugin's listeners, and the modules of batchtel that it has loaded."""
    python: list[str | Path] = [programs / "python", "-c", LOADED]
    done = subprocess.run(python, env=_environment(folder, variables), capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_airflow_finds_the_plugin(programs: Path, tmp_path: Path) -> None:
    """`airflow plugins` lists it with its listener; nothing was configured but an endpoint."""
    command: list[str | Path] = [programs / "airflow", "plugins", "--output", "json"]
    done = subprocess.run(command, env=_environment(tmp_path, ON), capture_output=True, text=True, check=True)
    (plugin,) = (one for one in json.loads(done.stdout[done.stdout.index("[{") :]) if one["name"] == "batchtel")
    assert "batchtel.airflow.listener.Listener" in plugin["listeners"]


def test_on(programs: Path, tmp_path: Path) -> None:
    """With an endpoint there is a listener."""
    assert _listeners(programs, tmp_path, ON)[0] == ["Listener"]


@pytest.mark.parametrize(
    "variables", [{}, ON | {"BATCHTEL_AIRFLOW_DISABLED": "true"}, ON | {"OTEL_SDK_DISABLED": "true"}], ids=str
)
def test_off(programs: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    """Without an endpoint, or where it is switched off, there is no listener, and next to nothing is loaded."""
    listeners, modules = _listeners(programs, tmp_path, variables)
    assert listeners == []
    assert modules == [
        "batchtel",
        "batchtel.airflow",
        "batchtel.airflow.plugin",
        "batchtel.base",
        "batchtel.base.guard",
        "batchtel.base.ignoring",
        "batchtel.base.pristine",
        "batchtel.base.process_exit",
        "batchtel.base.public_names",
        "batchtel.base.switch",
        "batchtel.runs",
        "batchtel.runs.airflow_process",
        "batchtel.schema",
        "batchtel.schema.setting_values",
        "batchtel.schema.settings",
    ]


def _warnings(programs: Path, folder: Path, program: str, variables: Mapping[str, str]) -> list[str]:
    """Return what batchtel warns of in a program of Airflow that starts."""
    python: list[str | Path] = [programs / "python", "-c", STARTED, program]
    done = subprocess.run(python, env=_environment(folder, variables), capture_output=True, text=True, check=True)
    return [str(text) for text in json.loads(done.stdout.splitlines()[-1])]


@pytest.mark.compatible(
    "Airflow",
    "the plugin without an endpoint",
    "nothing",
    notices="one warning, of the scheduler",
)
def test_a_missing_endpoint_is_warned_of_once(programs: Path, tmp_path: Path) -> None:
    """The scheduler warns of a plugin that records nothing, unless it is switched off; no other program does."""
    (warning,) = _warnings(programs, tmp_path, "scheduler", {})
    assert "set OTEL_EXPORTER_OTLP_ENDPOINT for all processes of Airflow" in warning
    for program, variables in (
        ("triggerer", {}),
        ("tasks", {}),
        ("scheduler", ON),
        ("scheduler", {"BATCHTEL_AIRFLOW_DISABLED": "true"}),
        ("scheduler", {"OTEL_SDK_DISABLED": "true"}),
    ):
        assert _warnings(programs, tmp_path, program, variables) == []


def test_spans_that_are_sent_by_grpc_to_a_port_of_http_are_warned_of_once(programs: Path, tmp_path: Path) -> None:
    """Where Airflow's own exporter speaks gRPC the scheduler names the setting that cures it, which does."""
    version = subprocess.run([programs / "airflow", "version"], env=_environment(tmp_path, {}), capture_output=True)
    if not version.stdout.split()[-1].startswith((b"3.2", b"3.3")):
        pytest.skip("this Airflow sends its spans by HTTP")
    traced = ON | {"AIRFLOW__TRACES__OTEL_ON": "True"}
    (warning,) = _warnings(programs, tmp_path, "scheduler", traced)
    assert warning == (
        "Airflow sends its own spans by gRPC to 127.0.0.1:4318, where HTTP is expected, and all of them are lost: set "
        "OTEL_TRACES_EXPORTER=otlp_proto_http for all processes of Airflow"
    )
    for program, variables in (
        ("triggerer", traced),
        ("scheduler", ON),
        ("scheduler", traced | {"OTEL_TRACES_EXPORTER": "otlp_proto_http"}),
        ("scheduler", traced | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}),
    ):
        assert _warnings(programs, tmp_path, program, variables) == []


def test_the_dags_load_without_any_environment(programs: Path, tmp_path: Path) -> None:
    """Every DAG file, of the tests and of the examples, is one that Airflow imports, also where nothing is set."""
    load = "import runpy, sys\nfor file in sys.argv[1:]: runpy.run_path(file)"
    files = sorted([*(HERE / "dags").glob("*.py"), *(HERE / "dags" / "examples").glob("*.py")])
    python: list[str | Path] = [programs / "python", "-c", load, *files]
    done = subprocess.run(python, env=_environment(tmp_path, {}), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
