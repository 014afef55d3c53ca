"""Every state that a job can be in is entered by something that happens."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Final

import pytest

import batchtel
from batchtel.schema.signals import STATES, STATUSES
from batchtel.testing import Captured
from tests.instrumentation.ways_in.command import call, instrumented
from tests.support.process import run
from tests.support.sink import Sink

pytest_plugins = ["batchtel.testing.fixture"]

IN_CODE: Final = """
    import time, batchtel
    with batchtel.job("living", scheduled_at=time.time() - 60, queued_at=time.time() - 20):
        pass
    with batchtel.job("living") as job:
        job.skipped("no new files")
    for ending in (KeyboardInterrupt, TimeoutError("30 min")):
        try:
            with batchtel.job("living") as job:
                if isinstance(ending, TimeoutError):
                    job.timed_out("30 min are over")
                raise ending
        except BaseException:
            pass
    @batchtel.retry(attempts=2, delay=0)
    @batchtel.job("living")
    def fail():
        raise OSError("never")
    try:
        fail()
    except OSError:
        pass
    """

KILLED: Final = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def test_every_state_is_entered(sink: Sink) -> None:
    """Runs that are scheduled, queued, skipped, timed out, retried, given up, cancelled and killed enter all states."""
    assert run(IN_CODE, sink).code == 0
    command = "import sys; from batchtel.cli.main import main; main()"
    script = f"""
        import subprocess, sys
        python = [sys.executable, "-c"]
        killed = subprocess.run([*python, {command!r}, "run", "--job", "living", "--", *python, {KILLED!r}])
        sys.exit(killed.returncode != -9)
        """
    assert run(script, sink).code == 0
    points = sink.points("batch.job.state.timestamp")
    assert {point.attributes["state"] for point in points} == set(STATES)
    statuses = {point.attributes["status"] for point in sink.points("batch.job.completions")}
    assert statuses == set(STATUSES)
    now = time.time()
    ages = {point.attributes["state"]: now - point.value for point in points if point.attributes["state"] in STATES[:2]}
    assert 60 <= ages["scheduled"] < 120
    assert 20 <= ages["queued"] < 80


@pytest.mark.parametrize(("ahead", "states"), [(-30.0, {"scheduled", "queued"}), (3600.0, set())])
def test_a_clock_that_is_ahead_enters_no_state(captured: Captured, ahead: float, states: set[str]) -> None:
    """Times of the scheduler that lie after the start would be the latest state of a run that has long ended."""
    moment = time.time() + ahead
    with batchtel.job("early", scheduled_at=moment, queued_at=moment):
        pass
    entered = {labels["state"] for labels in captured.series("batch.job.state.timestamp")}
    assert entered == {"running", "success"} | states


ENDINGS: Final[dict[str, tuple[str, BaseException | None, str, str | None, str | None]]] = {
    # method that is called, what leaves the block: status, reason, error_type
    "skipped": ("skipped", None, "skipped", "why", None),
    "skipped, but failed": ("skipped", ValueError("no"), "failure", None, "ValueError"),
    "skipped, with exit code 0": ("skipped", SystemExit(0), "skipped", "why", None),
    "timeout": ("timed_out", None, "timeout", "why", None),
    "timeout, with its exception": ("timed_out", TimeoutError("slow"), "timeout", "why", None),
    "an exception alone": ("", TimeoutError("of a socket"), "failure", None, "TimeoutError"),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_how_it_ends_as_it_was_described(captured: Captured, case: str) -> None:
    """skipped() and timed_out() decide how a run and a step end, but a failure is never called skipped."""
    method, leaving, status, reason, error_type = ENDINGS[case]
    with (
        contextlib.suppress(*([] if leaving is None else [type(leaving)])),
        batchtel.job("ending") as job,
        batchtel.step("only") as step,
    ):
        for scope in (job, step):
            if method:
                getattr(scope, method)("why")
        if leaving is not None:
            raise leaving
    for level, name in (("job", "run"), ("step", "step")):
        event = captured.event(f"batch.{name}.finished")
        assert (event["batch.status"], event.get("batch.status.reason")) == (status, reason)
        labels = [labels for labels in captured.series(f"batch.{level}.completions") if labels["status"] == status]
        assert [labels.get("error_type") for labels in labels if labels.get("error_type") != "unknown"] == [error_type]
        assert captured.counter(f"batch.{level}.completions", status=status) == 1
    if isinstance(leaving, TimeoutError):
        assert "TimeoutError" in captured.event("batch.run.finished")["exception.stacktrace"]


def test_an_attempt_that_timed_out_is_tried_again(captured: Captured) -> None:
    """A timeout is worth another attempt as any exception is; with none left the run is a dead letter."""

    @batchtel.retry(attempts=2, delay=0, on=TimeoutError)
    @batchtel.job("slow")
    def slow() -> None:
        batchtel.current_job().timed_out("upstream")
        raise TimeoutError

    with pytest.raises(TimeoutError):
        slow()
    assert captured.event("batch.attempt.failed")["batch.status"] == "timeout"
    assert captured.counter("batch.job.completions", status="timeout") == 1
    assert captured.maximum("batch.job.state.timestamp", state="dead_letter") is not None


@pytest.mark.parametrize(
    ("command", "status"), [(["timeout", "0.2", "sleep", "20"], "timeout"), (["sh", "-c", "exit 124"], "failure")]
)
def test_a_command_under_timeout(sink: Sink, command: list[str], status: str) -> None:
    """`timeout 30m CMD` exits with 124 when the time is up; 124 of any other command is its own."""
    script = "import sys; from batchtel.cli.main import main; main()"
    finished = run(script, sink, "run", "--job", "limited", "--", *command)
    assert finished.code == 124
    attributes = sink.event("batch.run.finished").attributes
    assert (attributes["batch.status"], attributes["process.exit.code"]) == (status, 124)
    assert sink.total("batch.job.completions", status=status) == 1


def test_a_whole_program_skips(sink: Sink, tmp_path: Path) -> None:
    """A program that is a run without a line of code can report that there was nothing to do, too."""
    script = tmp_path / "nothing.py"
    script.write_text("import batchtel; batchtel.current_job().skipped('no files')")
    assert call(instrumented(str(script)), sink).returncode == 0
    attributes = sink.event("batch.run.finished").attributes
    assert (attributes["batch.status"], attributes["batch.status.reason"]) == ("skipped", "no files")


def test_a_part_of_a_run_cannot_end_it(sink: Sink) -> None:
    """skip() in a process that joined the run warns once, and the run ends as its opener sees it."""
    script = f"""
        import subprocess, batchtel
        joins = "import batchtel\\nwith batchtel.job('outer') as job: job.skipped(); job.skipped()"
        with batchtel.job("outer"):
            subprocess.run([{sys.executable!r}, "-c", joins], check=True)
        """
    finished = run(script, sink)
    assert finished.stderr == "the run was opened by another process; only that one can end it as skipped\n"
    assert sink.event("batch.run.finished").attributes["batch.status"] == "success"
    assert "batch.status" not in sink.event("batch.run.reported").attributes
