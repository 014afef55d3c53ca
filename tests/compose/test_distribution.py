"""The collector's committed module is what its manifest says."""

from __future__ import annotations

from pathlib import Path

from batchtel_stack import distribution


def test_module_matches_the_manifest(tmp_path: Path) -> None:
    """Generating the module from builder.yaml changes nothing; otherwise: python -m batchtel_stack.distribution."""
    distribution.generate(tmp_path / "module")
    made = {path.name: path.read_text() for path in (tmp_path / "module").iterdir()}
    committed = {path.name: path.read_text() for path in distribution.MODULE.iterdir()}
    assert made == committed
