"""The public API is a sorted list of names: of the packages, and of what their objects show to the code of a job."""

from __future__ import annotations

import inspect

import pytest

import batchtel
import batchtel.airflow
import batchtel.testing
from batchtel.runs.description import PUBLIC
from batchtel.testing import capture

OF_BATCHTEL = [
    *("Job", "JobRun", "Step", "StepRun", "__version__", "current_job", "current_step", "flush"),
    *("job", "retry", "step"),
]
OF_AIRFLOW = ["child_environment", "observe", "records_from_result"]
OF_TESTING = ["Captured", "capture"]

OF_A_RUN = [
    *("attempt", "failed_record", "inputs", "name", "newest_data", "outputs", "progress", "quality", "records"),
    *("run_id", "set", "skipped", "timed_out", "trace_id", "watermark"),
]
OF_A_STEP = [
    *("failed_record", "inputs", "job", "name", "outputs", "records", "set", "skipped", "timed_out", "trace_id"),
]
OF_A_CAPTURE = ["counter", "event", "events", "histogram", "logs", "maximum", "series", "span", "spans"]

INTERNAL = {
    *("add", "beat", "begin", "close", "closed", "context", "described", "end", "ending", "identity", "is_apart"),
    *("labels", "leave", "level", "outer", "put", "recorder", "resume", "retry", "span_context", "traceparent"),
}
"""Attributes of runs and steps that other modules of batchtel use, and no job."""

INTERNAL_OF_A_RUN = {
    *("data", "executable", "expected", "is_open", "job", "log", "log_failed_record", "mark", "thread_owner"),
    "usage",
}


def test_packages_export_a_sorted_list() -> None:
    """The names of each public package are exactly these."""
    assert batchtel.__all__ == dir(batchtel) == OF_BATCHTEL
    assert batchtel.airflow.__all__ == dir(batchtel.airflow) == OF_AIRFLOW
    assert batchtel.testing.__all__ == OF_TESTING


def test_runs_and_steps_show_what_jobs_use() -> None:
    """`dir()` of a run and of a step has these names, and everything else without an underscore is listed above."""
    with capture(), batchtel.job("nightly") as job, batchtel.step("extract") as step:
        shown = (dir(job), dir(step))
        everything = [{name for name in object.__dir__(each) if name[0] != "_"} for each in (job, step)]
    assert shown == (OF_A_RUN, OF_A_STEP)
    assert everything[0] == {*OF_A_RUN, *INTERNAL, *INTERNAL_OF_A_RUN}
    assert everything[1] == {*OF_A_STEP, *INTERNAL}


def test_a_capture_shows_its_questions() -> None:
    """What a test reads from `capture()` has these names."""
    with capture() as captured:
        shown = dir(captured)
    assert [name for name in shown if name[0] != "_"] == OF_A_CAPTURE


@pytest.mark.parametrize(("kind", "level"), [(batchtel.JobRun, "job"), (batchtel.StepRun, "step")])
def test_public_methods_are_described(kind: type, level: str) -> None:
    """Each public method of a run and of a step has a docstring of its own."""
    methods = [getattr(kind, name) for name in PUBLIC[level] if callable(getattr(kind, name, None))]
    assert len(methods) >= 7
    assert [method.__qualname__ for method in methods if not inspect.getdoc(method)] == []
