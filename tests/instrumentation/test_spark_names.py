"""Names of applications with dates and ids in them are bounded by the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchtel.spark.names import job_name
from tests.support.process import run

CATALOGUE = """
[jobs.orders]
[jobs."orders-refunds"]
[jobs."daily load"]
[jobs.orders_2]
"""

IN_CATALOGUE = {
    "orders": "orders",
    "orders-2026-11-28": "orders",
    "orders_20261128T0230": "orders",
    "orders 2026-11-28 02:30:00": "orders",
    "orders-refunds-2026-11-28": "orders-refunds",
    "orders-0193b7a1-5c2e-7d3a-9b1f-2a4c6e8d0f12": "orders",
    "daily load #17": "daily load",
    "orders_2": "orders_2",
    "orders_2_20261128": "orders_2",
    # Names of others, and of none.
    "orders-returns": "orders-returns",
    "orders-returns-2026": "orders-returns-2026",
    "orders2": "orders2",
    "ordersX-2026-11-28": "ordersX-2026-11-28",
    "orders-": "orders-",
    "": "",
}
"""Name of the application -> name of the job."""


@pytest.mark.parametrize(("name", "wanted"), IN_CATALOGUE.items())
def test_the_catalogue_bounds_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wanted: str) -> None:
    """The entry that a name begins with counts where only dates and ids follow; the longest one of several."""
    catalogue = tmp_path / "jobs.toml"
    catalogue.write_text(CATALOGUE)
    monkeypatch.setenv("BATCHTEL_CATALOGUE", str(catalogue))
    assert job_name(name) == wanted


@pytest.mark.parametrize(
    ("name", "warns"),
    [
        ("orders", False),
        ("orders v2", False),
        ("load-4711", False),
        ("deadbeefcafe", False),
        ("orders-2026-11-28", True),
        ("orders 2026/1/3", True),
        ("orders_20261128", True),
        ("orders-1796010416259", True),
        ("orders-0193b7a1-5c2e-7d3a-9b1f-2a4c6e8d0f12", True),
        ("orders-4bf92f3577b34da6", True),
    ],
)
def test_a_warning_names_what_is_not_bounded(name: str, warns: bool) -> None:
    """Without a catalogue the name stays, and one warning has what to write."""
    ended = run(f"from batchtel.spark.names import job_name; print(job_name({name!r}))", None)
    assert ended.stdout == f"{name}\n"
    assert ("application(spark, name=...)" in ended.stderr) == warns
