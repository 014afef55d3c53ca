"""A hook call for a task that has ended already, as the scheduler makes that has found it dead twice."""

from __future__ import annotations

import subprocess

import pytest

from tests.airflow.conftest import Played

pytestmark = pytest.mark.airflow

CALL_HOOK = """
import contextlib, sys
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from batchtel.airflow.helper import MESSENGER

with contextlib.suppress(ImportError):
    import airflow.providers.fab.auth_manager.models  # of 2.11: rows refer to its users

with create_session() as session:
    task = session.query(TaskInstance).filter_by(dag_id="outcomes", task_id="killed").one()
    task.state = sys.argv[1]
    session.flush()
    task.handle_failure("found dead", session=session)
    session.rollback()
print("handed over:", MESSENGER._helper is not None)
"""

NOWHERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(("state", "reported"), [("failed", False), ("up_for_retry", False), ("running", True)])
def test_a_task_is_lost_once(played: Played, state: str, reported: bool) -> None:
    """A task that is found dead is handed over if it was in `state`, and not if it has ended before."""
    done = subprocess.run(
        [played.airflow.programs / "python", "-c", CALL_HOOK, state],
        env={**played.airflow.environment, **NOWHERE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Not the last line: where Airflow sends metrics of its own, it logs to standard output at the end.
    assert f"handed over: {reported}" in done.stdout.splitlines()
