"""A control plane that the tests of this folder share, each with namespaces of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from batchtel_stack.errors import UnavailableError
from tests.kubernetes.cluster import Cluster, running
from tests.support import cluster_programs


@pytest.fixture(scope="session")
def programs() -> Mapping[str, Path]:
    """The programs of a control plane, kubectl and Helm; the tests are skipped where they cannot be built."""
    try:
        return cluster_programs.paths()
    except UnavailableError as problem:
        pytest.skip(f"Kubernetes cannot be built: {problem}")


@pytest.fixture(scope="session")
def cluster(programs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running control plane with four nodes that start no containers."""
    with running(programs, tmp_path_factory.mktemp("cluster")) as started:
        yield started
