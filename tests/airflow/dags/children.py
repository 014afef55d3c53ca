"""What tasks start: each child finds the task's trace and run in its environment, and counts for the task."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from importlib.util import find_spec

from batchtel.airflow import child_environment
from tests.airflow.authoring import BashOperator, dag, task

PLAIN = "import batchtel; batchtel.current_step().records(written=3)"


@dag(schedule="@once", start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["batchtel"], default_args={"retries": 2})
def children() -> None:
    """One task for each way to start a child."""
    BashOperator(task_id="bash", bash_command=f"{sys.executable} -c '{PLAIN}' && echo $TRACEPARENT")
    # Nothing is inherited here: the operator's field has the templates of `child_environment`, rendered.
    BashOperator(
        task_id="bare",
        bash_command=f"{sys.executable} -c '{PLAIN}' && echo $TRACEPARENT",
        env=child_environment() | {name: text for name, text in os.environ.items() if name.startswith("OTEL_")},
    )

    @task.external_python(python=sys.executable)
    def external() -> str:
        import os

        import batchtel

        batchtel.current_step().records(written=3)
        with batchtel.job("children_own"):
            pass
        return os.environ["TRACEPARENT"]

    @task.external_python(python=sys.executable, inherit_env=False)
    def alone(environment: dict[str, str]) -> str:
        return environment["TRACEPARENT"]

    if find_spec("airflow.sdk"):  # Airflow 2 asks for the package virtualenv, here where it parses

        @task.virtualenv(requirements=[], system_site_packages=False)
        def virtualenv() -> str:
            import os

            return os.environ["TRACEPARENT"]

        virtualenv()

    external()
    alone(child_environment())


children()
