"""Each group of the benchmarks in a tiny size: that it measures, never how fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from batchtel.cli.main import Failure
from batchtel_stack.binaries import COLLECTOR
from batchtel_stack.programs import PROGRAMS
from benchmarks import build, collector, guest, jobs, leave, rollup, stack, tiers
from benchmarks.__main__ import GROUPS
from benchmarks.recorded import METRICS, record
from benchmarks.report import Report
from benchmarks.spent import Spent, python


def silent(text: str) -> None:
    """Accept a line of progress."""


def assert_complete(report: Report) -> None:
    """Assert that rows have no key without a column, that figures are positive and that JSON can hold the report."""
    keys = {column.key for column in report.columns}
    assert report.rows
    for row in report.rows:
        assert set(row) <= keys
        assert all(value > 0 for value in row.values() if not isinstance(value, str)), row
    json.dumps(report.document())


def test_peak_memory_is_that_of_the_measured_process_not_of_the_one_that_starts_it() -> None:
    """A large parent does not lift the figure of a small child, and a large child shows in full."""
    ballast = b"x" * (200 * 2**20)
    small = python("-c", "pass", variables={})
    large = python("-c", "b'x' * (100 * 2**20)", variables={})
    assert small.peak_memory < 40 * 2**20 < 100 * 2**20 < large.peak_memory < len(ballast)


def test_a_job_that_complains_is_no_measurement() -> None:
    """What a job prints on stderr ends the benchmark with the text, for it did not do what is measured."""
    with pytest.raises(Failure) as caught:
        python("-c", "import sys; print('no collector', file=sys.stderr)", variables={})
    assert caught.value.exit_code == 3
    assert "ended with 0; it printed:\nno collector" in caught.value.message


def test_jobs_measures_every_kind_of_job(tmp_path: Path, collector_program: Path) -> None:
    """One round has a row for each job, ratios for batchtel and one goal a protocol."""
    report = jobs.measure(tmp_path, silent, rounds=1)
    assert_complete(report)
    names = [row["job"] for row in report.rows if "Pushgateway" not in row["job"]]
    assert names == ["python -c pass", "plain SDK, HTTP", "batchtel, HTTP", "plain SDK, gRPC", "batchtel, gRPC"]
    assert [row["job"] for row in report.rows if "wall_ratio" in row] == ["batchtel, HTTP", "batchtel, gRPC"]
    assert len(report.goals) == 2


def test_the_delay_at_exit_is_what_a_working_collector_does_not_cost() -> None:
    """The delay is the wall time beyond that of the job whose collector works."""
    walls = {"works": 0.5, "refuses": 1.5, "hangs": 2.5}
    measured = {
        f"{tool}, {protocol}, collector {collector}": [Spent(wall, 0.1, 1)]
        for tool in ("plain SDK", "batchtel")
        for protocol in ("HTTP", "gRPC")
        for collector, wall in walls.items()
    }
    assert leave.delay(measured, "batchtel", "gRPC", "hangs") == 2.0


def test_collector_counts_every_run_that_was_sent(tmp_path: Path, collector_program: Path) -> None:
    """A few runs arrive in Prometheus through the rendered pipeline, and the rows state how many."""
    report = collector.measure(tmp_path, silent, (20,), (), detailed_runs=2, export_interval="1s")
    assert_complete(report)
    assert [row["runs"] for row in report.rows] == [20, 2]


def test_rollup_measures_both_pipelines(tmp_path: Path, collector_program: Path) -> None:
    """Both ways to aggregate count every run; the acknowledgement and the recovery after a kill are measured."""
    report = rollup.measure(tmp_path, silent, (20,), (50,), seconds=1, runs_for_series=20, export_interval="1s")
    assert_complete(report)
    assert [(row["engine"], row["what"]) for row in report.rows] == [
        (engine, what)
        for what in ("20 runs in all", "1,000 points a second", "about 50 series")
        for engine in ("exact", "stock")
    ]
    assert [row["engine"] for row in report.rows if "recovery_s" in row] == ["exact"]


def test_tiers_count_every_item_at_both(tmp_path: Path, collector_program: Path) -> None:
    """Each signal and each crowd has a row for the agent and one for the gateway, which have the same items."""
    report = tiers.measure(tmp_path, silent, runs=10, writers=(3,))
    assert_complete(report)
    assert [row["what"] for row in report.rows] == [
        f"{what}: {tier}"
        for what in ("data points", "spans", "log records", "3 writers")
        for tier in ("agent", "gateway")
    ]
    points = record().points
    assert [row["items"] for row in report.rows][0::6] == [10 * points, 3 * points]
    assert [row["items"] for row in report.rows][0::2] == [row["items"] for row in report.rows][1::2]


def test_guest_measures_what_it_subtracts(tmp_path: Path, collector_program: Path) -> None:
    """A small job is run whole, bare and timed; heartbeat and redaction have used some of its CPU, not all."""
    report = guest.measure(tmp_path, silent, rounds=1, batches=12)
    assert_complete(report)
    assert [row["job"] for row in report.rows] == ["whole", "bare", "timed"]
    timed = report.rows[2]
    assert 0 < timed["heartbeat_s"] + timed["redaction_s"] < timed["cpu_s"]
    assert timed["beats"] >= 2
    assert [goal.value < 1 for goal in report.goals] == [True]


def test_recorded_runs_differ_in_every_id_and_nothing_else() -> None:
    """Two runs of two jobs have requests of equal length, their own trace id, run id and job name."""
    recorded = record()
    first, second = (dict(recorded.run(number, number)) for number in (1, 2))
    assert recorded.metrics_only().requests == tuple(item for item in recorded.requests if item[0] == METRICS)
    for path, body in first.items():
        assert len(body) == len(second[path])
        assert body != second[path]
        assert b"j000001" in body
        assert recorded.trace_id not in body


def test_stack_has_a_row_for_each_program(tmp_path: Path) -> None:
    """Each program of a stack, and all of them together; what happens meanwhile is given the running stack."""
    report = stack.measure(tmp_path, silent, lambda target, folder: target.stores.prometheus.query("up"))
    assert_complete(report)
    assert [row["program"] for row in report.rows] == [*PROGRAMS, "all"]
    assert report.rows[-1]["idle_bytes"] == sum(row["idle_bytes"] for row in report.rows[:-1])


def test_build_reports_a_build_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without modules to be had a build ends, with the exit code of the builder, and its caches are gone."""
    monkeypatch.setenv("GOPROXY", "off")
    with pytest.raises(Failure, match="the build ended with 3"):
        build.measure(tmp_path, silent, [COLLECTOR.name])
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_its_groups() -> None:
    """A group that does not exist is an error of input that lists those that do."""
    outcome = subprocess.run([sys.executable, "-m", "benchmarks", "speed"], capture_output=True, text=True, check=False)
    assert outcome.returncode == 2
    groups = ", ".join(map(repr, GROUPS))
    assert f"'speed' is not one of {groups}" in outcome.stderr
