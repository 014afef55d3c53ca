"""A run is watched while it is open: limits of time count when they are passed, in real processes."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.instrumentation.test_heartbeat import FORKS
from tests.support.polling import until
from tests.support.process import run, start, succeed
from tests.support.sink import Log, Sink

HUNG = """
    import sys, batchtel
    with batchtel.job("nightly", type="etl"):
        print("waiting", flush=True)
        sys.stdin.read()
    """

GOOD = """
    import batchtel
    with batchtel.job("nightly", type="etl") as job:
        job.records(processed=10)
    """

WRAPPED = "from batchtel.cli.main import main; main()"


def violations(sink: Sink) -> Counter[str]:
    """Return the violations that have arrived, by type."""
    counted: Counter[str] = Counter()
    for point in sink.points("batch.job.sla.violations"):
        counted[point.attributes["violation_type"]] += int(point.value)
    return +counted


def warnings(sink: Sink, count: int) -> list[Log] | None:
    """Return the events of violations, once there are `count`."""
    found = sink.events("batch.sla.violated")
    return found if len(found) >= count else None


def write(folder: Path, text: str) -> str:
    """Write a catalogue and return its path."""
    file = folder / "jobs.toml"
    file.write_text(text)
    return str(file)


def test_a_hung_run_counts_while_good_ones_come_and_go(sink: Sink, tmp_path: Path) -> None:
    """One of four runs hangs beyond both limits of time: it counts once for each before it ends, and not again then."""
    passed = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%H:%M")
    catalogue = write(
        tmp_path, f"[jobs.nightly.sla]\nmax_duration = '5s'\nmust_complete_by.time = '{passed}'\nmin_records = 5\n"
    )
    due = {"BATCHTEL_SCHEDULED_AT": (datetime.now(UTC) - timedelta(hours=2)).isoformat()}
    surroundings = {"BATCHTEL_CATALOGUE": catalogue, "OTEL_METRIC_EXPORT_INTERVAL": "100"}
    process = start(HUNG, sink, **surroundings, **due)
    try:
        until(
            "the deadline to be counted",
            lambda: violations(sink)["deadline_missed"] or None,
            timeout=20,
        )
        for _ in range(3):
            succeed(GOOD, sink, **surroundings)
        until(
            "5 s to be counted as too long",
            lambda: violations(sink)["duration_exceeded"] or None,
            timeout=20,
        )
        assert violations(sink) == {"deadline_missed": 1, "duration_exceeded": 1}
        found = until("both warnings", lambda: warnings(sink, 2), timeout=20)
        late, long = sorted(found, key=lambda event: str(event.attributes["batch.sla.violation"]))
        assert long.attributes["batch.sla.limit"] == 5
        assert 5 < long.attributes["batch.sla.observed"] < 20
        assert late.attributes["batch.sla.limit"] < late.attributes["batch.sla.observed"]
        assert sink.total("batch.job.completions", job_name="nightly") == 3
        assert process.poll() is None
    finally:
        _, errors = process.communicate("", timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert violations(sink) == {"deadline_missed": 1, "duration_exceeded": 1, "insufficient_records": 1}
    met = Counter(event.attributes["batch.sla.met"] for event in sink.events("batch.run.finished"))
    assert met == {True: 3, False: 1}


def test_a_forked_child_leaves_the_run_to_its_parent(sink: Sink, tmp_path: Path) -> None:
    """Two processes hold the run, one counts."""
    succeed(
        FORKS,
        sink,
        OTEL_METRIC_EXPORT_INTERVAL="50",
        BATCHTEL_CATALOGUE=write(tmp_path, "[jobs.forks.sla]\nmax_duration = '0.1s'\n"),
    )
    assert violations(sink) == {"duration_exceeded": 1}


def test_a_command_is_watched_and_owes_no_records(sink: Sink, tmp_path: Path) -> None:
    """A command has time limits like any run; it reports no records, so none are owed."""
    catalogue = write(
        tmp_path,
        "[jobs.dump]\ntype = 'report'\nsla = { max_duration = '0.01s', min_records = 5, max_failure_rate = 0 }\n",
    )
    succeed(
        f"""
        import subprocess, sys
        command = [sys.executable, "-c", {WRAPPED!r}, "run", "--job", "dump", "--", "sleep", "0.1"]
        subprocess.run(command, check=True)
        """,
        sink,
        BATCHTEL_CATALOGUE=catalogue,
    )
    assert violations(sink) == {"duration_exceeded": 1}
    assert sink.total("batch.job.completions", job_name="dump", job_type="report") == 1


def test_an_unchanged_program_owes_no_records(sink: Sink, tmp_path: Path) -> None:
    """Unless it reports some."""
    catalogue = write(tmp_path, "[jobs.plain.sla]\nmin_records = 5\n")
    for code, counted in (("pass", 0), ("import batchtel; batchtel.current_job().records(processed=1)", 1)):
        instrument = str(Path(sys.executable).parent / "opentelemetry-instrument")
        succeed(
            f"import subprocess; subprocess.run([{instrument!r}, {sys.executable!r}, '-c', {code!r}], check=True)",
            sink,
            BATCHTEL_CATALOGUE=catalogue,
            BATCHTEL_JOB="plain",
        )
        assert violations(sink)["insufficient_records"] == counted


@pytest.mark.parametrize("option", [[], ["--type", "migration"]])
def test_all_processes_of_a_run_count_under_one_type(sink: Sink, tmp_path: Path, option: list[str]) -> None:
    """The type of the catalogue, or the one that was given, is that of the command and of the code within it."""
    within = "import batchtel\nwith batchtel.job('typed', type='etl') as job: job.records(processed=3)"
    succeed(
        f"""
        import subprocess, sys
        command = [sys.executable, "-c", {WRAPPED!r}, "run", "--job", "typed", *{option!r}, "--"]
        subprocess.run([*command, sys.executable, "-c", {within!r}], check=True)
        """,
        sink,
        BATCHTEL_CATALOGUE=write(tmp_path, "[jobs.typed]\ntype = 'report'\n"),
        BATCHTEL_JOB_TYPE="backfill",
    )
    expected = option[1] if option else "report"
    assert sink.total("batch.job.completions", job_type=expected) == 1
    assert sink.total("batch.job.records.processed", job_type=expected) == 3


NOT_WITHOUT = tuple(f"catalogue.{name}" for name in ("cron", "deadline", "keys", "reader", "sla", "zones"))


def test_who_has_no_catalogue_loads_nothing_of_it(sink: Sink, tmp_path: Path) -> None:
    """Neither our modules nor the readers of TOML and time zones; with one in UTC, no time zones either."""
    script = f"""
        import sys, batchtel
        with batchtel.job("lean") as job:
            job.records(processed=1)
        loaded = {{f"batchtel.{{name}}" for name in {NOT_WITHOUT!r}}} | {{"tomllib", "zoneinfo", "difflib"}}
        print(sorted(loaded & set(sys.modules)))
        """
    without = run(script, sink)
    assert (without.code, without.stdout, without.stderr) == (0, "[]\n", "")
    catalogue = write(tmp_path, "[jobs.lean]\nschedule.cron = '@daily'\nsla.must_complete_by.time = '06:00'\n")
    having = run(script, sink, BATCHTEL_CATALOGUE=catalogue)
    assert having.stderr == ""
    assert having.stdout == f"{sorted([*(f'batchtel.{name}' for name in NOT_WITHOUT), 'tomllib'])}\n"
    off = run(script, None, BATCHTEL_CATALOGUE=catalogue, OTEL_SDK_DISABLED="true")
    assert (off.stdout, off.stderr) == ("[]\n", "")
