"""A task, the scheduler and what they write are what they would be without batchtel, whatever the collector does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.hosted.schedulers import Played

pytestmark = pytest.mark.airflow

Run = Callable[[str], Played]

STATES = {"writes": "success", "fails": "failed", "skips": "skipped", "hosted": "failed"}

COLLECTORS = ("up", "hangs", "down")


@pytest.mark.parametrize("kind", ["off", *COLLECTORS])
def test_the_states(run: Run, kind: str) -> None:
    """Airflow gives the same states without batchtel and with it, whether its collector works, hangs or is down."""
    assert run(kind).states == STATES


@pytest.mark.parametrize("kind", COLLECTORS)
@pytest.mark.parametrize("task_id", ["writes", "fails", "skips"])
def test_the_logs_of_tasks(run: Run, kind: str, task_id: str) -> None:
    """The log of a task has the same events with the same fields, in the same order of each of its channels."""
    without = _events(run("off"), task_id)
    assert any("::group::" in event for event in without)
    assert _events(run(kind), task_id) == without


def _events(played: Played, task_id: str) -> list[str]:
    """Return the events of a task's log, JSON in Airflow 3, else text, without what is the run's own."""
    log = played.log(task_id).strip()
    if not log.startswith("{"):
        lines = re.split(r"\n(?=\[\d{4}-)", log.replace(played.run_id, "..."))
        # The supervisor and the task that it has forked write to one file, and meet in any order.
        lines.sort(key=lambda line: bool(_OF_THE_SUPERVISOR.search(line)))
        return [_NUMBERS.sub("#", line) for line in lines if not _BY_CHANCE.search(line)]
    events = [json.loads(line) for line in log.splitlines()]
    # Stdout, stderr and logging come by three pipes, and meet in any order.
    events.sort(key=lambda event: event["logger"] if event["logger"] in _PIPES else "")
    return [_comparable(event, played) for event in events]


_NUMBERS = re.compile(r"\d+|(?<=/)tmp\w+")
_BY_CHANCE = re.compile("Heartbeat recovered|tasks scheduled from follow-on schedule|stop collecting metrics")
_OF_THE_SUPERVISOR = re.compile(r"\{local_task_job_runner|\{standard_task_runner\.py:\d+\} INFO - Started process ")
_PIPES = ("task.stdout", "task.stderr")

_OF_THE_RUN = {"timestamp", "ti_id", "run_id", "bundle_prepare_ms", "dag_file_parse_ms"}

_IDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|00-[0-9a-f]{32}-[0-9a-f]{16}-0\d|datetime\([^()]*\)")


def _comparable(event: dict[str, Any], played: Played) -> str:
    kept = {key: value for key, value in event.items() if key not in _OF_THE_RUN}
    text = json.dumps(kept, sort_keys=True).replace(f"run_id='{played.run_id}'", "run_id=''")
    return _IDS.sub("...", text)


OVERRUN = 1.0
"""Seconds of slack: a busy machine's scheduling and the CPU of sending."""


@pytest.mark.parametrize("kind", ["hangs", "down"])
def test_how_long_a_task_process_waits(run: Run, kind: str) -> None:
    """From fork to exit a task process lasts 2 s more at most where the collector accepts nothing.

    The shortest of three: the others wait for the lock of Airflow's database, too, 5 s at a time.
    """
    assert len(run(kind).seconds) == len(run("off").seconds) >= 1
    assert min(run(kind).seconds) <= min(run("off").seconds) + 2.0 + OVERRUN


@pytest.mark.parametrize("kind", COLLECTORS)
def test_threads(run: Run, kind: str) -> None:
    """Neither the scheduler nor a worker of LocalExecutor, which supervises its tasks, has one thread more."""
    kinds = ("scheduler", "worker -- LocalExecutor")
    without, threads = run("off").threads, run(kind).threads
    assert [threads[kind] for kind in kinds] == [without[kind] for kind in kinds]
    assert threads["batchtel.airflow.helper"] > 1
    assert "batchtel.airflow.helper" not in without


FAILING = r"[^\n]*cannot send telemetry to http://127\.0\.0\.1:\d+: "
LOST = r"[^\n]*batchtel: run \S+ of hosted: lost: [^\n]* by http://127\.0\.0\.1:\d+ within [^\n]*"

WARNINGS = {
    "off": r"[^\n]*the plugin batchtel is installed, but nothing is recorded: set OTEL_EXPORTER_OTLP_ENDPOINT [^\n]*",
    "up": "",
    # The former where the helper is there longer than an export may last.
    "hangs": rf"({FAILING}[^\n]*\n)?{LOST}",
    "down": rf"{FAILING}nothing answers[^\n]*\n{LOST}",
}


@pytest.mark.parametrize("kind", WARNINGS)
def test_what_the_scheduler_writes(run: Run, kind: str) -> None:
    """Of batchtel it writes nothing, but once that nothing can be sent, and at the end what that has lost."""
    # The folder of a clone is called batchtel, too.
    folder, clone = str(run(kind).airflow.programs.parent), str(Path(__file__).parents[3])
    lines = run(kind).output.replace(folder, "").replace(clone, "").splitlines()
    ours = [line for line in lines if re.search("batchtel|telemetry", line, re.IGNORECASE)]
    assert re.fullmatch(WARNINGS[kind], "\n".join(ours)), ours


def test_files(run: Run) -> None:
    """Nothing is left in the temporary folder but, where the collector accepts nothing, the mark of the outage."""
    assert run("up").files == run("off").files
    for kind in ("hangs", "down"):
        (mark,) = run(kind).files - run("off").files
        assert re.fullmatch(r"batchtel-\d+/[0-9a-f]{16}\.unreachable", mark)


HOOKS = {
    "writes": ["on_task_instance_running", "on_task_instance_success", "before_stopping"],
    "fails": ["on_task_instance_running", "on_task_instance_failed", "before_stopping"],
    "skips": ["on_task_instance_running", "on_task_instance_skipped", "before_stopping"],
}


def test_a_defect_in_every_hook(run: Run) -> None:
    """A BaseException in each hook changes no state; the log of a task has a warning a hook, and is the same else."""
    defective = run("defective")
    assert defective.states == STATES
    for task_id, hooks in HOOKS.items():
        events = _events(defective, task_id)
        ours = [event for event in events if "this is a defect of batchtel" in event]
        failed = [hook for event in ours for hook in re.findall(r"batchtel failed in (\w+)", event)]
        # Airflow 2 has no hook for skips, and calls the last hook in the supervisor of the task, too.
        in_airflow_2 = [hook for hook in hooks if not hook.endswith("skipped")] + hooks[-1:]
        assert failed in (hooks, in_airflow_2)
        assert all("planted" in event for event in ours)
        assert [event for event in events if event not in ours] == _events(run("off"), task_id)
    # What the scheduler has warned of before it forked, its task processes do not repeat.
    for hook in ("on_starting", "on_dag_run_running", "on_dag_run_failed"):
        assert defective.output.count(f"batchtel failed in {hook} ") == 1


@pytest.mark.parametrize("run", ["3.3"], indirect=True)
def test_the_call_that_ends_a_scheduler(run: Run) -> None:
    """A listener that asks a failed DAG run for its tasks ends the scheduler, though it catches every Exception.

    Airflow 3.3 gives it the session of the scheduler's loop, and closes that. Our listener gets along without.
    """
    assert run("up").exit_code is None
    crashing = run("crashing")
    assert crashing.exit_code not in (None, 0), crashing.output[-2000:]
    assert "DetachedInstanceError" in crashing.output
