"""The state of a job by the product's own query, on a real stack: while it runs, waits, afterwards, and when killed."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from typing import Final

import pytest

from batchtel_dashboards import queries
from batchtel_stack.stack import Stack
from tests.support.polling import until
from tests.support.process import start

SERVICE: Final = "states"


def _started(stack: Stack, script: str, environment: str = "test") -> subprocess.Popen[str]:
    """Start a job, Python text, that sends to the stack every 200 ms; it goes on at a line on its standard input."""
    return start(
        "import sys, time, batchtel\n" + script,
        None,
        OTEL_EXPORTER_OTLP_ENDPOINT=stack.otlp_http,
        OTEL_SERVICE_NAME=SERVICE,
        OTEL_RESOURCE_ATTRIBUTES=f"deployment.environment.name={environment}",
        OTEL_METRIC_EXPORT_INTERVAL="200",
    )


def _states(stack: Stack, job: str) -> Mapping[str, str]:
    """Return environment -> current state of a job."""
    found = stack.stores.prometheus.query(queries.current_state("job", {"job_name": job}))
    return {sample.labels["deployment_environment_name"]: sample.labels["state"] for sample in found}


def _wait_for(stack: Stack, job: str, expected: Mapping[str, str], seconds: float = 60) -> None:
    until(
        f"{job} to be {expected}",
        lambda: _states(stack, job) == expected or None,
        seconds,
        lambda: f"last seen: {_states(stack, job)}",
    )


def test_while_it_runs_in_two_environments(stack: Stack) -> None:
    """Running, and each environment separately: the end of one does not change the other."""
    script = "with batchtel.job('open'):\n    batchtel.flush()\n    sys.stdin.readline()\n"
    with _started(stack, script, "dev") as first, _started(stack, script, "live") as second:
        _wait_for(stack, "open", {"dev": "running", "live": "running"})
        first.communicate("\n", timeout=60)
        _wait_for(stack, "open", {"dev": "success", "live": "running"})
        second.communicate("\n", timeout=60)
    _wait_for(stack, "open", {"dev": "success", "live": "success"})
    assert not any(sample.value for sample in stack.stores.prometheus.query(queries.lost("5m", {"job_name": "open"})))


def test_failure_another_attempt_success(stack: Stack) -> None:
    """It waits for another attempt, runs again and succeeds; each state is queried while it lasts."""
    script = """
tries = []

@batchtel.retry(attempts=2, delay=8)
@batchtel.job("again")
def main():
    tries.append(1)
    batchtel.flush()
    if len(tries) == 1:
        raise ValueError("not yet")
    sys.stdin.readline()

main()
"""
    with _started(stack, script) as job:
        _wait_for(stack, "again", {"test": "retrying"})
        _wait_for(stack, "again", {"test": "running"})
        job.communicate("\n", timeout=60)
    _wait_for(stack, "again", {"test": "success"})


@pytest.mark.faults
@pytest.mark.timeout(500)
def test_a_killed_process_is_lost(stack: Stack) -> None:
    """Within 5 minutes it is counted, and its state is lost; the other one is running, and is not lost."""
    script = "with batchtel.job('{}'):\n    batchtel.flush()\n    print('open', flush=True)\n    sys.stdin.readline()\n"
    with _started(stack, script.format("oom")) as killed, _started(stack, script.format("oom_good")) as good:
        for process in (killed, good):
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
        _wait_for(stack, "oom", {"test": "running"})
        killed.send_signal(signal.SIGKILL)
        _wait_for(stack, "oom", {"test": "lost"}, 300)
        _wait_for(stack, "oom_good", {"test": "running"})
        prometheus = stack.stores.prometheus

        def counted() -> dict[str, float] | None:
            found = {sample.labels["job_name"]: sample.value for sample in prometheus.query(queries.lost("30m"))}
            own = {name: found.get(name, 0) for name in ("oom", "oom_good")}
            return own if own["oom"] else None

        assert until("the lost run to be counted", counted, 180) == {"oom": 1, "oom_good": 0}
        good.communicate("\n", timeout=60)
