"""Which pairs of Python and OpenTelemetry `make test-versions` runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.support.interpreters import VERSIONS
from tests.support.versions import SAMPLE, TESTS, corner, oldest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("versions", "here", "pairs"),
    [
        (["3.11", "3.12", "3.13"], "3.11", [("3.13", "oldest")]),
        (["3.11", "3.12", "3.13"], "3.13", [("3.11", "oldest")]),
        (["3.11", "3.12", "3.13"], "3.12", [("3.11", "oldest"), ("3.13", "locked")]),
        (["3.11"], "3.11", [("3.11", "oldest")]),
    ],
)
def test_the_corner_has_both_ends_of_both(versions: list[str], here: str, pairs: list[tuple[str, str]]) -> None:
    """With the pair of `make test`, this Python and the locked OpenTelemetry, each end is in one pair."""
    assert corner(versions, here) == pairs
    ran = [*pairs, (here, "locked")]
    assert {versions[0], versions[-1]} <= {version for version, _ in ran}
    assert {telemetry for _, telemetry in ran} == {"oldest", "locked"}


def test_the_classifiers_are_the_versions_that_are_tested() -> None:
    """Neither more nor fewer versions of Python are promised, from the lowest that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = [line.rpartition(" ")[2] for line in project["classifiers"] if ":: 3." in line]
    assert promised == list(VERSIONS)
    assert project["requires-python"] == f">={VERSIONS[0]}"


def test_the_oldest_opentelemetry_is_the_lower_bound() -> None:
    """Each package of OpenTelemetry that a job needs is pinned to its lowest version."""
    assert {"opentelemetry-sdk==1.40", "opentelemetry-api==1.40"} <= set(oldest())


def test_the_sample_is_there() -> None:
    """A file that is renamed has to be renamed in the list, too."""
    assert [name for name in SAMPLE if not (ROOT / TESTS / name).is_file()] == []
