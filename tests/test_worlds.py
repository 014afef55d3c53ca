"""Which tests on Airflow share one."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.worlds import ALONE, world_of

AIRFLOW = Path(__file__).parent / "airflow"


def test_files_with_an_airflow_of_their_own_are_listed() -> None:
    """A test file with a fixture that starts an Airflow, or installs one, is in the list."""
    starts = re.compile(r"\blines\.running\(|^def programs\(", re.MULTILINE)
    found = {file.stem for file in AIRFLOW.glob("test_*.py") if starts.search(file.read_text(encoding="utf-8"))}
    assert found == set(ALONE)


def test_tests_of_one_airflow_have_one_name() -> None:
    """The version is in the name, where a test has one; what follows it in the parameters is not."""
    assert world_of("tests/airflow/test_outcomes.py::test_a[3.3-killed]") == "airflow 3.3"
    assert world_of("tests/airflow/test_ledger.py::test_b[3.3]") == "airflow 3.3"
    assert world_of("tests/airflow/hosted/test_harmless.py::test_c[2.11-up]") == "hosted 2.11"
    assert world_of("tests/airflow/test_celery.py::test_d[killed]") == "test_celery"
