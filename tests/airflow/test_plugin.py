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


@pytest.fixture(scope="module", params=VERSIONS)
def programs(request: pytest.FixtureRequest) -> Path:
    """The programs of one version of Airflow."""
    return install(request.param)


def _environment(folder: Path, told: Mapping[str, str]) -> dict[str, str]:
    bare = {name: text for name, text in os.environ.items() if not name.startswith(("OTEL_", "BATCHTEL_"))}
    return {**bare, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **told}


def _listeners(programs: Path, folder: Path, told: Mapping[str, str]) -> Any:
    """Return the names of the plugin's listeners, and the modules of batchtel that it has loaded."""
    python: list[str | Path] = [programs / "python", "-c", LOADED]
    done = subprocess.run(python, env=_environment(folder, told), capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_airflow_finds_the_plugin(programs: Path, tmp_path: Path) -> None:
    """`airflow plugins` lists it with its listener; nothing was configured but an endpoint."""
    command: list[str | Path] = [programs / "airflow", "plugins", "--output", "json"]
    done = subprocess.run(command, env=_environment(tmp_path, ON), capture_output=True, text=True, check=True)
    (plugin,) = (one for one in json.loads(done.stdout[done.stdout.index("[{") :]) if one["name"] == "batchtel")
    assert "batchtel.airflow.listener.Listener" in plugin["listeners"]


@pytest.mark.parametrize(
    "told", [{}, ON | {"BATCHTEL_AIRFLOW_DISABLED": "true"}, ON | {"OTEL_SDK_DISABLED": "true"}], ids=str
)
def test_off(programs: Path, tmp_path: Path, told: dict[str, str]) -> None:
    """Without an endpoint, or where it is switched off, there is no listener, and next to nothing is loaded."""
    assert _listeners(programs, tmp_path, ON)[0] == ["Listener"]
    listeners, modules = _listeners(programs, tmp_path, told)
    assert listeners == []
    assert modules == [
        "batchtel",
        "batchtel.airflow",
        "batchtel.airflow.plugin",
        "batchtel.ending",
        "batchtel.guard",
        "batchtel.native",
        "batchtel.setting_values",
        "batchtel.settings",
    ]


def test_the_dags_load_without_any_environment(programs: Path, tmp_path: Path) -> None:
    """Every DAG file, of the tests and of the examples, is one that Airflow imports, also where nothing is set."""
    load = "import runpy, sys\nfor file in sys.argv[1:]: runpy.run_path(file)"
    files = sorted([*(HERE / "dags").glob("*.py"), *(HERE / "dags" / "examples").glob("*.py")])
    python: list[str | Path] = [programs / "python", "-c", load, *files]
    done = subprocess.run(python, env=_environment(tmp_path, {}), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
