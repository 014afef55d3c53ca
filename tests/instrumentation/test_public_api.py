"""The public API is a sorted list of names: of the packages, and of what their objects show to the code of a job."""

from __future__ import annotations

import inspect

import pytest

import batchtel
import batchtel.airflow
import batchtel.spark
import batchtel.testing
from batchtel.testing import capture
from tests.support.process import run
from tests.support.sink import Sink

OF_BATCHTEL = [
    *("Job", "JobRun", "Step", "StepRun", "__version__", "current_job", "current_step", "flush"),
    *("job", "retry", "step"),
]
OF_AIRFLOW = ["child_environment", "observe", "records_from_result"]
OF_SPARK = ["application", "configure", "follow_queries"]
OF_TESTING = ["Captured", "capture"]

OF_A_RUN = [
    *("attempt", "failed_record", "inputs", "name", "newest_data", "outputs", "progress", "quality", "records"),
    *("run_id", "set", "skipped", "timed_out", "trace_id", "watermark"),
]
OF_A_STEP = [
    *("failed_record", "inputs", "job", "name", "outputs", "records", "set", "skipped", "timed_out", "trace_id"),
]
OF_A_CAPTURE = ["counter", "event", "events", "histogram", "logs", "maximum", "series", "span", "spans"]


def test_packages_export_a_sorted_list() -> None:
    """The names of each public package are exactly these."""
    assert batchtel.__all__ == dir(batchtel) == OF_BATCHTEL
    assert batchtel.airflow.__all__ == dir(batchtel.airflow) == OF_AIRFLOW
    assert batchtel.spark.__all__ == dir(batchtel.spark) == OF_SPARK
    assert batchtel.testing.__all__ == OF_TESTING


def test_runs_and_steps_show_what_jobs_use() -> None:
    """A run and a step have these names, and no other one without an underscore; `dir()` shows the same."""
    with capture(), batchtel.job("nightly") as job, batchtel.step("extract") as step:
        shown = (dir(job), dir(step))
        everything = [sorted(name for name in object.__dir__(each) if name[0] != "_") for each in (job, step)]
    assert shown == (OF_A_RUN, OF_A_STEP)
    assert everything == [OF_A_RUN, OF_A_STEP]


def test_a_capture_shows_its_questions() -> None:
    """What a test reads from `capture()` has these names."""
    with capture() as captured:
        shown = dir(captured)
    assert [name for name in shown if name[0] != "_"] == OF_A_CAPTURE


@pytest.mark.parametrize(("kind", "names"), [(batchtel.JobRun, OF_A_RUN), (batchtel.StepRun, OF_A_STEP)])
def test_public_methods_are_described(kind: type, names: list[str]) -> None:
    """Each public method of a run and of a step has a docstring of its own."""
    methods = [getattr(kind, name) for name in names if callable(getattr(kind, name, None))]
    assert len(methods) >= 7
    assert [method.__qualname__ for method in methods if not inspect.getdoc(method)] == []


def test_a_handle_after_its_block_is_ignored(sink: Sink) -> None:
    """What is recorded after the end would be in the counts and not on the span: it is in neither, with one warning."""
    finished = run(
        """
        import batchtel
        with batchtel.job("ended") as job:
            with batchtel.step("inner") as step:
                step.records(read=1)
            job.records(processed=1)
        for _ in range(3):
            step.records(read=5)
            job.records(processed=5)
            job.set(late=1)
        """,
        sink,
    )
    assert finished.stderr.splitlines() == [
        "records() is called after the end of the step, so it is ignored",
        "records() is called after the end of the run, so it is ignored",
        "set() is called after the end of the run, so it is ignored",
    ]
    assert sink.total("batch.job.records.processed") == sink.total("batch.step.records.read") == 1


@pytest.mark.parametrize("attempts", [0, -1])
def test_no_attempts_are_one(sink: Sink, attempts: int) -> None:
    """The first call is an attempt, whatever is written."""
    finished = run(
        """
        import sys, batchtel
        batchtel.retry(attempts=int(sys.argv[1]))(lambda: print("called"))()
        """,
        sink,
        str(attempts),
    )
    warning = f"retry(attempts={attempts}): the first call is an attempt, too; 1 is used instead\n"
    assert (finished.stdout, finished.stderr) == ("called\n", warning)
