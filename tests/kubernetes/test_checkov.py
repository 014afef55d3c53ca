"""What the page reports of checkov is what it finds."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from batchtel_collector.environment.load import load
from batchtel_collector.render.formats import formatted
from tests.kubernetes.test_page import PAGE

pytestmark = pytest.mark.kubernetes

DIGEST = "sha256:" + 64 * "0"


def test_the_findings_of_checkov_are_those_of_the_page(tmp_path: Path) -> None:
    """As many checks pass as the page has, and none fails that it does not name."""
    uv = os.environ.get("UV")
    if uv is None:
        pytest.skip("checkov runs in an environment of its own, which uv makes: call pytest by `uv run`")
    text = PAGE.read_text(encoding="utf-8")
    ((passed, version),) = re.findall(r"(\d+) checks pass with checkov ([\d.]+)", text)
    images = {"images": {name: f"registry.example.com/{name}@{DIGEST}" for name in ("collector", "job")}}
    for role in ("agent", "gateway"):
        manifests = formatted(load("production", images, role), "kubernetes", role)
        (tmp_path / f"{role}.yaml").write_text(manifests, encoding="utf-8")
    (command,) = re.findall(r"^uvx (checkov .*)$", text, re.MULTILINE)
    finished = subprocess.run(
        [uv, "tool", "run", "--quiet", "--from", f"checkov=={version}", *command.split(), "--compact", "--quiet"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    assert f"Passed checks: {passed}, Failed checks: 0" in finished.stdout, finished.stdout
