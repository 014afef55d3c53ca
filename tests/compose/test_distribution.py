"""The collector's committed module is what its manifest says, and the programs are built of the same packages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from batchtel_stack import distribution
from batchtel_stack.binaries import COLLECTOR, LOKI, PROMETHEUS, Binary


def test_module_matches_the_manifest(tmp_path: Path) -> None:
    """Generating the module from builder.yaml changes nothing; otherwise: python -m batchtel_stack.distribution."""
    distribution.generate(tmp_path / "module")
    made = {path.name: path.read_text() for path in (tmp_path / "module").iterdir()}
    committed = {path.name: path.read_text() for path in distribution.MODULE.iterdir()}
    assert made == committed


@pytest.mark.parametrize("binary", [PROMETHEUS, LOKI], ids=lambda binary: binary.name)
def test_programs_are_built_of_the_same_packages(binary: Binary) -> None:
    """A module in two versions is compiled twice; one version near the root (grpc, x/net) doubles half of the build."""
    own, collector = _versions(binary), _versions(COLLECTOR)
    differing = {
        module: (own[module], collector[module])
        for module in own.keys() & collector
        if own[module] != collector[module]
    }
    assert not differing, "take the newer version in both: go get in the program's module, RAISED for the collector"


def _versions(binary: Binary) -> dict[str, str]:
    """Return module path -> required version of a program's go.mod."""
    lines = re.findall(r"^(?:require |\t)(\S+) (v\S+)", (binary.module / "go.mod").read_text(), re.MULTILINE)
    assert lines
    return dict(lines)
