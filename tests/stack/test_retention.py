"""How long each store of a running stack keeps what it has: what the stores themselves report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.support.program import fetch


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that keeps metrics for 36 days and details for 91."""
    folder = tmp_path_factory.mktemp("kept") / "stack"
    with Stack.running(folder, Ports.free(), overrides={"retention": {"metrics": "36d", "detail": "91d"}}) as stack:
        yield stack


def test_prometheus(kept: Stack) -> None:
    """Its flag; 864 h are 36 days."""
    flags = json.loads(fetch(f"{kept.prometheus}/api/v1/status/flags"))["data"]
    assert flags["storage.tsdb.retention.time"] in ("864h", "36d")
    assert flags["storage.tsdb.retention.size"] == "0B"


def test_victorialogs(kept: Stack) -> None:
    """The flag among its own metrics."""
    (line,) = [line for line in fetch(f"{kept.victorialogs}/metrics").splitlines() if 'name="retentionPeriod"' in line]
    assert 'value="91d"' in line


def test_jaeger(kept: Stack) -> None:
    """The configuration that its process was started with; Badger deletes spans when their time is over."""
    configuration = yaml.safe_load((Path(kept.data) / "jaeger" / "jaeger.yaml").read_text())
    (backend,) = configuration["extensions"]["jaeger_storage"]["backends"].values()
    assert backend["badger"]["ttl"] == {"spans": "2184h"}
