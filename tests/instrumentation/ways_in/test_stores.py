"""What comes in by each way is found in the three stores of a real stack, with the right status."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchtel_dashboards.stores import Record, Wanted
from batchtel_stack.ports import Ports
from batchtel_stack.stack import Stack
from tests.instrumentation.ways_in.command import call, instrumented, wrapped
from tests.support.polling import until

SERVICE = "ways-in"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a short export interval."""
    with Stack.running(tmp_path_factory.mktemp("ways_in") / "stack", Ports.free(), export_interval="1s") as running:
        yield running


def finished(stack: Stack, job: str, since: float) -> Record:
    """Wait until the store has the audit record of the only run of `job`, and return it."""
    (logs,) = stack.stores.logs

    def look() -> Record | None:
        found = logs.records(Wanted(SERVICE, "batch.run.finished", job), since, time.time() + 60)
        return found[0] if len(found) == 1 else None

    return until(f"one audit record of {job} among the logs", look, 60)


def assert_everywhere(
    stack: Stack, job: str, since: float, status: str, error_type: str, exit_code: str | None
) -> None:
    """Assert that one run of `job` is in all three stores, with this outcome."""
    record = finished(stack, job, since)
    assert record.fields["batch.status"] == status
    assert record.fields.get("process.exit.code") == exit_code
    prometheus, (traces,) = stack.stores.prometheus, stack.stores.traces
    labels = f'job_name="{job}",status="{status}"' + (f',error_type="{error_type}"' if error_type else "")
    query = f"sum(batch_job_completions_total{{{labels}}})"
    until(f"a completion of {job} in Prometheus", lambda: prometheus.value(query) or None, 60)
    assert prometheus.value(query) == 1
    assert prometheus.value(f'sum(batch_job_completions_total{{job_name="{job}"}})') == 1
    assert prometheus.value(f'sum(batch_job_runs_started_total{{job_name="{job}"}})') == 1
    [span] = until(f"the trace of {job}", lambda: traces.trace(record.fields["trace_id"]) or None, 60)
    assert (span.name, span.attributes["batch.status"]) == (f"batch_job.{job}", status)


def test_a_command_that_fails(stack: Stack) -> None:
    """`batchtel run -- sh -c 'exit 7'` prints nothing, exits with 7 and is a failure everywhere."""
    since = time.time() - 60
    arguments = wrapped("sh", "-c", "echo out; exit 7", options=("--job", "command", "--capture-output"))
    ended = call(arguments, None, {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http, **NAMED})
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, b"out\n", b"")
    assert_everywhere(stack, "command", since, "failure", "unknown", "7")
    (logs,) = stack.stores.logs
    records = logs.records(Wanted(SERVICE), since, time.time() + 60)
    [line] = [record for record in records if record.fields.get("log.iostream") == "stdout"]
    assert line.line == "out"
    assert line.fields["batch.job.name"] == "command"


@pytest.mark.parametrize(
    ("text", "code", "status", "error_type", "exit_code"),
    [
        ("pass", 0, "success", "", None),
        ("raise ValueError('no rows')", 1, "failure", "ValueError", None),
        ("import sys; sys.exit(3)", 3, "failure", "SystemExit", "3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, "cancelled", "", None),
        ("import os\nif os.fork() == 0: raise SystemExit(9)\nos.wait()", 0, "success", "", None),
    ],
    ids=["succeeds", "raises", "exits", "terminated", "forks"],
)
def test_scripts(
    stack: Stack,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    text: str,
    code: int,
    status: str,
    error_type: str,
    exit_code: str | None,
) -> None:
    """`opentelemetry-instrument python script.py`, without a line of code, over gRPC."""
    since = time.time() - 60
    job = f"script_{request.node.callspec.id}"
    file = tmp_path / f"{job}.py"
    file.write_text(text)
    ended = call(instrumented(str(file)), None, {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_grpc, **NAMED, **GRPC})
    assert ended.returncode == code, ended.stderr
    assert_everywhere(stack, job, since, status, error_type, exit_code)


NAMED = {"OTEL_RESOURCE_ATTRIBUTES": f"deployment.environment.name=test,service.name={SERVICE}"}
GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
