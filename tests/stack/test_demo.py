"""The command `batchtel demo`, as a user calls it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.polling import until
from tests.stack.marked import Marked

DEMO_SECONDS = 240
"""The demo needs 75 s on two busy cores."""


def _ledgers(marked: Marked, job: str) -> list[Path]:
    return sorted(marked.folder.glob(f"batchtel-demo-*/ledger/{job}-*.jsonl"))


def _sum(told: Mapping[str, Mapping[str, float]], name: str) -> float:
    return sum(counted.get(name, 0) for counted in told.values())


def test_demo_json_and_keep(marked: Marked) -> None:
    """All stores agree, in one document on stdout; with --keep the stack runs on, until stopped as the demo says."""
    demo = marked.start("demo", "--json", "--keep")
    stdout, stderr = demo.communicate(timeout=DEMO_SECONDS)
    assert demo.returncode == 0, stderr
    document = json.loads(stdout)
    assert set(document) == {"ok", "scenarios", "series", "run"}
    assert document["ok"] is True
    assert [one["name"] for one in document["scenarios"]] == ["race", "fleet", "etl", "retry", "green"]
    for one in document["scenarios"]:
        assert set(one) == {"name", "ok", "expected", "observed"}
        assert one["ok"] is True
        assert set(one["observed"]) == {"prometheus", "loki", "tempo"}
    told: dict[str, dict[str, Any]] = {one["name"]: one for one in document["scenarios"]}
    for name, what, amount in (
        ("race", "failure (IntegrityError)", 10),
        ("fleet", "started", 200),
        ("fleet", "success", 175),
        ("fleet", "failure (FileNotFoundError)", 25),
        ("retry", "started", 2),
        ("retry", "success", 1),
        ("green", "success", 1),
        ("green", "processed", 0),
    ):
        assert _sum(told[name]["expected"], what) == amount
        for store in ("prometheus", "loki", "tempo"):
            assert _sum(told[name]["observed"][store], what) == amount
    assert document["series"]["before"] == document["series"]["after"] > 0
    assert document["series"]["with_run_id"] == 0
    assert document["run"]["ok"] is True

    (data,) = marked.folder.glob("batchtel-demo-*/stack")
    assert f"batchtel status --data {data}" in stderr
    assert f"batchtel down --data {data}" in stderr
    assert marked.run("status", "--data", str(data)).returncode == 0
    assert len(marked.left()) == 4
    assert marked.run("down", "--data", str(data)).returncode == 0


def test_tampered_ledger_turns_the_demo_red(marked: Marked) -> None:
    """A line in the ledger that no job stands for: exit code 1, and the data stays to be looked at."""
    demo = marked.start("demo")
    ledger = until("a ledger of the race", lambda: next(iter(_ledgers(marked, "hub_import")), None), 60)
    until("its end", lambda: ledger if '"ended"' in ledger.read_text() else None, 60)
    line = {"event": "started", "job": "hub_import", "run_id": "made-up", "attempt": 1}
    with ledger.open("a") as file:
        file.write(json.dumps(line) + "\n")
    stdout, stderr = demo.communicate(timeout=DEMO_SECONDS)
    assert demo.returncode == 1, stderr
    rows = [text.split() for text in stdout.splitlines()]
    assert ["started", "11", "10", "10", "10", "NO"] in rows
    assert ["run", "ids", "11", "-", "10", "10", "NO"] in rows
    assert stdout.splitlines()[-1] == "DIFFERS: race.", stdout
    assert f"what the jobs have written down, and the stores' data: {ledger.parent.parent}" in stderr
    assert ledger.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("moment", ["at the start", "in the race", "in the fleet"])
def test_interrupted_demo_leaves_no_process(marked: Marked, number: signal.Signals, moment: str) -> None:
    """Ctrl-C, SIGTERM and even SIGKILL leave no process; the first two no file either."""
    demo = marked.start("demo")
    if moment == "at the start":
        until("the first program", lambda: len(marked.left()) > 1 or None, 60)
    elif moment == "in the race":
        until("a job", lambda: _ledgers(marked, "hub_import") or None, 60)
    else:
        until("a run of the fleet", lambda: _ledgers(marked, "highest_report") or None, 60)
    demo.send_signal(number)
    _, stderr = demo.communicate(timeout=30)
    # Sooner than the flush of a job that has lost its collector.
    marked.wait_until_none_is_left(10)
    if number != signal.SIGKILL:
        assert demo.returncode == 130
        assert stderr.splitlines()[-1].endswith("interrupted; everything that was started is stopped")
        assert list(marked.folder.glob("batchtel-demo-*")) == []


def test_missing_data_set() -> None:
    """Without the package of the data nothing is started, and the error says what to install."""
    code = "import sys; sys.modules['airportsdata'] = None; from batchtel.command import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "demo"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "error: `batchtel demo` works on the data of the package airportsdata, which is missing: "
        "pip install 'batchtel[platform]'\n"
    )
