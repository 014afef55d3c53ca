"""DAGs that report by callbacks, where the plugin is switched off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from batchtel.runs import dag_run_ids
from batchtel_dashboards.stores import Prometheus
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.airflow import lines
from tests.airflow.conftest import SERVICE, VERSIONS, Played
from tests.airflow.installation import HERE
from tests.support.witness import Witness

pytestmark = pytest.mark.airflow

ENDS = {
    "succeeds": {("success", ""): 1},
    "retried": {("success", ""): 1},
    "fails": {("failure", "KeyError"): 1},
    "skips_itself": {("skipped", ""): 1},
    "mapped": {("success", ""): 1, ("failure", "ValueError"): 2},
    "defers": {("success", ""): 1},
    "killed": {("lost", ""): 1},
    "empty": {},
}
"""Task -> its reported end; for a task without a process no callback is called."""

NOTED = {
    "execute observed succeeds": 1,
    "success observed succeeds": 1,
    "retry observed retried": 1,
    "failure observed fails": 1,
    "failure observed mapped": 2,
    "skipped observed skips_itself": 1,
}
"""How often the callbacks of the DAG's own tasks were called."""


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute trace ids here as Airflow's processes do, from the service's name."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", SERVICE)
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)


@pytest.fixture(scope="module", params=VERSIONS)
def observed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Airflow without a listener, which has run the DAGs of `observed` once."""
    folder = tmp_path_factory.mktemp("observed")
    with Stack.running(folder / "stack", Ports.free(), export_interval="1s") as stack:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http,
            "OTEL_SERVICE_NAME": SERVICE,
            "BATCHTEL_AIRFLOW_DISABLED": "true",
        }
        witness = Witness(stack, SERVICE)
        with lines.running(request.param, folder / "home", HERE / "observed", variables) as airflow:
            airflow.wait("observed", "observed_good", "unobserved")
            yield Played(request.param, airflow, witness, Prometheus(stack.prometheus))


@pytest.mark.parametrize("task_id", ENDS)
def test_each_end(observed: Played, task_id: str) -> None:
    """A task has started and completed as often as callbacks can report."""
    witness, step = observed.witness, {"step_name": task_id}
    # Airflow 3 calls no callback for a killed process whose supervisor goes on.
    ends = ENDS[task_id] if task_id != "killed" or isinstance(observed.airflow, lines.Airflow2) else {}
    for (status, error_type), count in ends.items():
        labels = step | {"status": status} | ({"error_type": error_type} if error_type else {})
        witness.wait_added("batch.step.completions", "observed", count, **labels)
    ended = sum(ends.values())
    started = 1 if task_id == "killed" else ended
    witness.wait_added("batch.step.runs.started", "observed", started, **step)
    assert witness.added("batch.step.completions", "observed", **step) == ended
    witness.wait_added("batch.step.retries", "observed", task_id == "retried", **step)


def test_runs(observed: Played) -> None:
    """A DAG run is reported when it has ended: its start, its end, and the root span of its trace."""
    witness = observed.witness
    witness.wait_added("batch.job.completions", "observed", 1, status="failure", error_type="task_failure")
    witness.wait_added("batch.job.completions", "observed_good", 1, status="success")
    for job in ("observed", "observed_good"):
        witness.wait_added("batch.job.runs.started", job, 1)
        witness.wait_added("batch.job.completions", job, 1)
        ((run_id,),) = observed.airflow.rows("SELECT run_id FROM dag_run WHERE dag_id = ?", job)
        spans = witness.spans(job, f"batch_job.{job}")
        own = dag_run_ids.of_dag_run(job, run_id, "")
        (run,) = (span for span in spans if span.name == f"batch_job.{job}")
        assert (run.trace_id, run.span_id) == (format(own.trace_id, "032x"), format(own.span_id, "016x"))
        assert {span.parent_id for span in spans if span.name.startswith("batch_step.")} == {run.span_id}


def test_callbacks_of_the_dag_are_called(observed: Played) -> None:
    """Callbacks of tasks, of `default_args` and of the DAG are called as ever, and count for their task."""
    lines = (observed.airflow.folder / "noted").read_text().splitlines()
    of_tasks = {line: lines.count(line) for line in lines if not line.startswith("run ") and "killed" not in line}
    assert of_tasks == NOTED
    assert [line.split()[1] for line in sorted(lines) if line.startswith("run ")] == ["observed", "observed_good"]
    # One by its code, one by each of two callbacks.
    observed.witness.wait_added("batch.step.records.failed", "observed", 2, step_name="succeeds")


def test_plain_calls_without_any_of_it(observed: Played) -> None:
    """In a task that is not reported, records are counted, and a job is in the trace of its DAG run."""
    witness = observed.witness
    witness.wait_added("batch.step.records.read", "unobserved", 5, step_name="plain")
    witness.wait_added("batch.job.completions", "unobserved_own", 1, status="success")
    assert witness.added("batch.step.runs.started", "unobserved") == 0
    assert witness.added("batch.job.completions", "unobserved") == 0
    ((run_id,),) = observed.airflow.rows("SELECT run_id FROM dag_run WHERE dag_id = 'unobserved'")
    own = dag_run_ids.of_dag_run("unobserved", run_id, "")
    assert witness.span("unobserved_own").trace_id == format(own.trace_id, "032x")
