"""What workers record counts for the run that is open where they were started, however and whenever that was."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.instrumentation.workers.pools import ROWS
from tests.support.interpreters import VERSIONS, interpreter, packages
from tests.support.process import environment, succeed
from tests.support.sink import Sink

POOLS = Path(__file__).parent / "pools.py"
WAITING = {"BATCHTEL_EXIT_TIMEOUT": "20", "OTEL_EXPORTER_OTLP_TIMEOUT": "20"}

KINDS = [
    ("Pool-fork", "within"),
    ("Pool-fork", "before"),
    ("Pool-spawn", "within"),
    ("Pool-forkserver", "before"),
    ("terminated-forkserver", "within"),
    ("executor-fork", "before"),
    ("executor-spawn", "before"),
    ("executor-forkserver", "within"),
    ("nested-forkserver", "within"),
    ("process-fork", "within"),
    ("process-spawn", "within"),
    ("loky", "within"),
]


def _check(sink: Sink, tmp_path: Path, python: str, kind: str, when: str) -> None:
    catalogue = tmp_path / "jobs.toml"
    catalogue.write_text(f"[jobs.pooled.sla]\nmin_records = {ROWS}\n")
    variables = {**WAITING, "BATCHTEL_CATALOGUE": str(catalogue), "PYTHONPATH": packages(), "PYTHONWARNINGS": "ignore"}
    finished = subprocess.run(
        [python, POOLS, kind, when],
        env=environment(sink, variables),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    assert sink.total("batch.job.completions", job_name="pooled") == 2
    assert sink.total("batch.job.records.processed", job_name="pooled") == 2 * ROWS
    assert sink.total("batch.step.records.read", step_name="part") == 4 * ROWS
    runs = [event.attributes["batch.run.id"] for event in sink.events("batch.run.finished")]
    traces = {
        span.attributes["batch.run.id"]: span.trace_id for span in sink.spans() if span.name == "batch_job.pooled"
    }
    assert [event.attributes["batch.sla.met"] for event in sink.events("batch.run.finished")] == [True, True]
    logged = Counter(log.attributes["batch.run.id"] for log in sink.logs() if log.scope == "worker")
    assert logged == dict.fromkeys(runs, ROWS)
    steps = Counter((span.attributes["batch.run.id"], span.trace_id) for span in sink.spans() if "step" in span.name)
    assert steps == {(run, traces[run]): ROWS for run in runs}


@pytest.mark.parametrize(("kind", "when"), KINDS)
@pytest.mark.compatible(
    "Processes",
    "workers by fork, spawn, forkserver and loky, in pools and executors, started before the run or within it",
    "what they record counts for the run",
)
def test_workers_count_for_the_open_run(sink: Sink, tmp_path: Path, kind: str, when: str) -> None:
    """Records, steps and log records of each run's workers are that run's, and no SLA is violated for want of them."""
    _check(sink, tmp_path, interpreter("3.11"), kind, when)


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != "3.11"])
@pytest.mark.parametrize(("kind", "when"), [("Pool-fork", "before"), ("Pool-forkserver", "within"), ("loky", "within")])
def test_on_other_versions(sink: Sink, tmp_path: Path, version: str, kind: str, when: str) -> None:
    """The same on every Python that is there; forkserver is the default from 3.14 on."""
    _check(sink, tmp_path, interpreter(version), kind, when)


def test_a_child_program_that_names_no_run(sink: Sink) -> None:
    """What it counts by `current_job` is its parent's; a score that it sets is reported."""
    child = "import batchtel; run = batchtel.current_job(); run.records(processed=3); run.quality(0.5)"
    succeed(
        f"""
        import subprocess, sys, batchtel
        with batchtel.job("programs"):
            subprocess.run([sys.executable, "-c", {child!r}], check=True)
        """,
        sink,
        **WAITING,
    )
    assert sink.total("batch.job.records.processed", job_name="programs") == 3
    assert sink.event("batch.run.reported").attributes["batch.data_quality.score"] == 0.5
    assert sink.event("batch.run.finished").attributes["batch.records.outcome"] == "sufficient"


def test_a_worker_outlives_its_run(sink: Sink) -> None:
    """After the end of the run, and with no other one open, nothing is counted for it."""
    succeed(
        """
        import multiprocessing, batchtel

        def work(row):
            batchtel.current_job().records(processed=1)

        if __name__ == "__main__":
            with multiprocessing.get_context("forkserver").Pool(1) as pool:
                with batchtel.job("short"):
                    pool.map(work, range(2))
                pool.map(work, range(5))
                pool.close()
                pool.join()
        """,
        sink,
        **WAITING,
    )
    assert sink.total("batch.job.records.processed", job_name="short") == 2


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_progress_functions_of_workers(sink: Sink, method: str) -> None:
    """A function that a worker gives is asked there; and so is that of a program that joins the run by its name."""
    succeed(
        """
        import multiprocessing, subprocess, sys, batchtel

        def work():
            batchtel.current_job().progress(lambda: 7)

        if __name__ == "__main__":
            joins = "import batchtel\\nwith batchtel.job('far') as run: run.progress(lambda: 30)"
            with batchtel.job("far"):
                process = multiprocessing.get_context(sys.argv[1]).Process(target=work)
                process.start()
                process.join()
                subprocess.run([sys.executable, "-c", joins], check=True)
        """,
        sink,
        method,
        **WAITING,
    )
    assert sink.total("batch.job.progress", job_name="far") == 37
