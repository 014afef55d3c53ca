"""The six failures that a green tick hides: for each, how the three stores distinguish it from a good run beside it.

Hours are seconds here: limits of 30 minutes are 1.5 s.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from batchtel_stack.stack import Stack
from tests.support.polling import until
from tests.support.process import environment, start
from tests.support.witness import SECONDS, Witness

SERVICE: Final = "silent-failures"
VIOLATIONS: Final = "batch.job.sla.violations"
CATALOGUE: Final = """
[jobs.zero.sla]
min_records = 10
[jobs.zero_good.sla]
min_records = 10
[jobs.slow.sla]
max_duration = "1.5s"
[jobs.slow_good.sla]
max_duration = "60s"
[jobs.dropped.sla]
max_failure_rate = 0.01
[jobs.dropped_good.sla]
max_failure_rate = 0.01
[jobs.late.sla]
max_data_age = "1h"
[jobs.late_good.sla]
max_data_age = "1h"
"""


@pytest.fixture(scope="module")
def witness(stack: Stack) -> Witness:
    """The stores, asked about the jobs of this file."""
    return Witness(stack, SERVICE)


class Jobs:
    """Runs jobs, Python text, that send to a stack by a catalogue of their own, every 200 ms."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        catalogue = folder / "jobs.toml"
        catalogue.write_text(CATALOGUE)
        self._variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http,
            "OTEL_SERVICE_NAME": SERVICE,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
            "BATCHTEL_CATALOGUE": str(catalogue),
        }

    def run(self, script: str) -> None:
        """Run a job to its end, which is a green tick."""
        with self.running(script) as process:
            _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")

    @contextmanager
    def running(self, script: str) -> Iterator[subprocess.Popen[str]]:
        """Run a job for the length of a `with` block; it reads its stdin where it is to go on."""
        with start("import sys, time, batchtel\n" + script, None, **self._variables) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def wrapped(self, name: str, script: str) -> subprocess.Popen[str]:
        """Start a job without batchtel in its code, below `batchtel run`; it prints its process id."""
        wrapper = [sys.executable, "-c", "from batchtel.cli.main import main; main()", "run", "--job", name, "--"]
        command = [*wrapper, sys.executable, "-c", script]
        return subprocess.Popen(command, env=environment(None, self._variables), stdout=subprocess.PIPE, text=True)


@pytest.fixture
def jobs(stack: Stack, tmp_path: Path) -> Jobs:
    """Runs jobs that send to the stack."""
    return Jobs(stack, tmp_path)


def assert_green(witness: Witness, *names: str) -> None:
    """Assert that the only run of each job is a success in the three stores: what a scheduler sees."""
    for name in names:
        assert witness.event(name, "batch.run.finished")["batch.status"] == "success"
        assert witness.span(name).attributes["batch.status"] == "success"
        witness.wait_added("batch.job.completions", name, 1, status="success")


def assert_violated(witness: Witness, name: str, kind: str) -> None:
    """Assert that `name` has violated its SLA once, by `kind`, in the three stores, and the good job beside it not."""
    witness.wait_added(VIOLATIONS, name, 1, violation_type=kind)
    assert witness.added(VIOLATIONS, name) == 1
    assert witness.event(name, "batch.sla.violated")["batch.sla.violation"] == kind
    assert witness.added(VIOLATIONS, f"{name}_good") == 0
    assert witness.events(f"{name}_good", "batch.sla.violated") == []


def test_zero_records(witness: Witness, jobs: Jobs) -> None:
    """An empty partition: both runs are green, but one has reported 0 records, and its minimum is ten."""
    jobs.run("with batchtel.job('zero') as job: job.records(processed=0)")
    jobs.run("with batchtel.job('zero_good') as job: job.records(processed=100)")
    assert_green(witness, "zero", "zero_good")
    for name, outcome, processed in (("zero", "zero", 0), ("zero_good", "sufficient", 100)):
        fields, attributes = witness.event(name, "batch.run.finished"), witness.span(name).attributes
        assert fields["batch.records.outcome"] == attributes["batch.records.outcome"] == outcome
        assert int(fields["batch.records.processed"]) == attributes["batch.records.processed"] == processed
        witness.wait_added("batch.job.records.processed", name, processed)
    assert_violated(witness, "zero", "insufficient_records")


def test_hours_instead_of_minutes(witness: Witness, jobs: Jobs) -> None:
    """A run that lasts eight times its limit is reported while it still runs, and by its duration at the end."""
    script = "with batchtel.job('{}') as job: job.records(processed=1); sys.stdin.readline()"
    with jobs.running(script.format("slow")) as slow, jobs.running(script.format("slow_good")) as good:
        assert_violated(witness, "slow", "duration_exceeded")
        assert witness.events("slow", "batch.run.finished") == []
        assert witness.added("batch.job.completions", "slow") == 0
        assert slow.poll() is None
        for process in (slow, good):
            process.communicate("\n", timeout=60)
    assert_green(witness, "slow", "slow_good")
    assert float(witness.event("slow", "batch.run.finished")["batch.duration"]) > 1.5
    span = witness.span("slow")
    assert span.end - span.start > 1.5e9
    assert_violated(witness, "slow", "duration_exceeded")


def test_five_percent_dropped(witness: Witness, jobs: Jobs) -> None:
    """Five of a hundred records are dropped: which ones, how many, and that one in a hundred was allowed."""
    script = """
with batchtel.job('{name}') as job:
    for row in range({failed}):
        job.failed_record(f'row-{{row}}', 'no customer')
    job.records(processed=100 - {failed})
"""
    jobs.run(script.format(name="dropped", failed=5))
    jobs.run(script.format(name="dropped_good", failed=1))
    assert_green(witness, "dropped", "dropped_good")
    for name, failed in (("dropped", 5), ("dropped_good", 1)):
        assert witness.event(name, "batch.run.finished")["batch.records.failed"] == str(failed)
        assert witness.span(name).attributes["batch.records.failed"] == failed
        ids = {event["batch.record.id"] for event in witness.events(name, "batch.record.failed")}
        assert ids == {f"row-{row}" for row in range(failed)}
        witness.wait_added("batch.job.records.failed", name, failed)
        witness.wait_added("batch.job.records.processed", name, 100 - failed)
    assert_violated(witness, "dropped", "failure_rate_exceeded")


HANGING: Final = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"


def test_killed_below_the_wrapper(witness: Witness, jobs: Jobs) -> None:
    """A command that the kernel kills, as for want of memory, is a lost run at once; the one beside it is not."""
    with jobs.wrapped("killed", HANGING) as killed, jobs.wrapped("killed_good", "print('done')") as good:
        assert killed.stdout is not None
        os.kill(int(killed.stdout.readline()), signal.SIGKILL)
        assert killed.wait(60) == -signal.SIGKILL
        assert good.communicate(timeout=60)[0] == "done\n"
    assert_green(witness, "killed_good")
    fields = witness.event("killed", "batch.run.finished")
    assert (fields["batch.status"], fields["batch.status.reason"]) == ("lost", "killed by SIGKILL")
    assert witness.span("killed").attributes["batch.status"] == "lost"
    witness.wait_added("batch.job.completions", "killed", 1, status="lost")
    assert witness.added("batch.job.completions", "killed") == 1


def test_killed_without_a_wrapper(witness: Witness, jobs: Jobs) -> None:
    """A killed job reports no end: it is started and never completed, its heartbeats stop, its steps have no run."""
    script = """
with batchtel.job('{}') as job:
    with batchtel.step('extract') as step:
        step.records(read=1)
    batchtel.flush()
    print('extracted', flush=True)
    sys.stdin.readline()
"""
    with jobs.running(script.format("oom")) as killed, jobs.running(script.format("oom_good")) as good:
        for process in (killed, good):
            assert process.stdout is not None
            assert process.stdout.readline() == "extracted\n"
        for name in ("oom", "oom_good"):
            beating = witness.added("batch.job.alive.time", name)
            _wait_for_more(witness, "batch.job.alive.time", name, beating)
        killed.kill()
        killed.wait(60)
        at_most = _settled(witness, "batch.job.alive.time", "oom", beside="oom_good")
        assert witness.added("batch.job.alive.time", "oom") == at_most, "its beats have stopped"
        good.communicate("\n", timeout=60)
    assert_green(witness, "oom_good")
    assert witness.added("batch.job.runs.started", "oom") == 1
    assert witness.added("batch.job.completions", "oom") == 0
    assert witness.event("oom", "batch.run.started")
    assert witness.events("oom", "batch.run.finished") == []
    names = {name: {span.name for span in witness.spans(name, "batch_step.extract")} for name in ("oom", "oom_good")}
    assert names == {"oom": {"batch_step.extract"}, "oom_good": {"batch_step.extract", "batch_job.oom_good"}}


def _wait_for_more(witness: Witness, metric: str, job: str, than: float) -> None:
    def more() -> bool | None:
        return witness.added(metric, job) > than or None

    until(f"more than {than:g} of {metric} of {job}", more, SECONDS, lambda: str(witness.added(metric, job)))


def _settled(witness: Witness, metric: str, job: str, beside: str) -> float:
    """Return the counter of `job` once it has stayed the same while that of the job `beside` it grew by 3 s."""

    def look() -> float | None:
        before = witness.added(metric, job)
        _wait_for_more(witness, metric, beside, witness.added(metric, beside) + 3)
        return before if witness.added(metric, job) == before else None

    return until(f"{metric} of {job} to stand still", look, SECONDS, lambda: str(witness.added(metric, job)))


def test_upstream_is_late(witness: Witness, jobs: Jobs) -> None:
    """Yesterday's data, processed without an error today: its age is in the stores, and an hour was allowed."""
    script = "with batchtel.job('{}') as job: job.records(processed=5); job.watermark(time.time() - {})"
    now = time.time()
    jobs.run(script.format("late", 86400))
    jobs.run(script.format("late_good", 60))
    assert_green(witness, "late", "late_good")
    ages = {name: now - witness.newest_data(name) for name in ("late", "late_good")}
    assert ages["late_good"] < 3600 < 86000 < ages["late"] < 87000
    for name in ages:
        stamp = witness.event(name, "batch.run.finished")["batch.data.timestamp"]
        assert stamp == witness.span(name).attributes["batch.data.timestamp"]
    assert_violated(witness, "late", "data_stale")


def test_a_hung_loop(witness: Witness, jobs: Jobs) -> None:
    """A loop that hangs has heartbeats without progress; the one beside it has progressed, and has ended."""
    script = """
done = 0
with batchtel.job('{}') as job:
    job.progress(lambda: done, total=200)
    while done < 200:
        done += {}
        time.sleep(0.01)
"""
    with jobs.running(script.format("hung", 0)) as hung, jobs.running(script.format("hung_good", 1)) as good:
        assert good.communicate(timeout=60) == ("", "")
        assert_green(witness, "hung_good")
        witness.wait_added("batch.job.progress", "hung_good", 200)
        assert witness.event("hung_good", "batch.run.finished")["batch.progress.done"] == "200"
        _wait_for_more(witness, "batch.job.alive.time", "hung", witness.added("batch.job.alive.time", "hung") + 3)
        assert witness.added("batch.job.progress", "hung") == 0
        assert witness.added("batch.job.completions", "hung") == 0
        assert witness.event("hung", "batch.run.started")
        assert witness.events("hung", "batch.run.finished") == []
        assert witness.stored_spans("hung") == []
        assert hung.poll() is None
