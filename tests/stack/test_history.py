"""`batchtel runs` on a real stack with real jobs: each run as it was, whatever its end and its text."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from batchtel.catalogue.cron import Cron
from batchtel.catalogue.keys import Schedule
from batchtel.cli.main import main
from batchtel_dashboards.history.due import next_due
from batchtel_dashboards.history.liveness import Live, judged
from batchtel_dashboards.history.reader import History
from batchtel_dashboards.history.run import LOST, OPEN, RUNNING
from batchtel_dashboards.history.selection import Selection
from batchtel_dashboards.rules import LIVE
from batchtel_stack.stack import Stack
from tests.support.polling import until
from tests.support.process import start

SERVICE: Final = "history"

SCRIPT: Final = """
import logging, os, sys, time, batchtel

logging.basicConfig(level=logging.INFO)
mode = sys.argv[1]
calls = 0


@batchtel.retry(attempts=3, delay=0.01)
@batchtel.job("history_flaky", type="etl")
def flaky():
    global calls
    calls += 1
    with batchtel.step("load") as step:
        step.records(read=10 * calls)
    if calls < 3:
        raise OSError(f"disk {calls}")


def twice(records, fails):
    with batchtel.job("history_twice", type="etl") as job:
        job.records(processed=records, failed=1)
        job.quality(0.9, schema_version="7")
        logging.getLogger("shop").warning("[bold]:smile: \\x1b[31mred\\x1b[0m <script>alert(1)</script>")
        with batchtel.step("read") as step:
            step.records(read=records)
        with batchtel.step("write") as step:
            if fails:
                raise ValueError("no [red]<b>input</b>\\x1b[2J\\nsecond line")
            step.records(written=records)


if mode == "flaky":
    flaky()
elif mode == "killed":
    with batchtel.job("history_killed"):
        batchtel.flush()
        os.kill(os.getpid(), 9)
elif mode == "open":
    with batchtel.job("history_open"):
        batchtel.flush()
        sys.stdin.readline()
elif mode == "tried":
    tries = []

    @batchtel.retry(attempts=2, delay=0.01)
    @batchtel.step("load")
    def load():
        tries.append(1)
        if len(tries) == 1:
            raise OSError("the first try")

    with batchtel.job("history_tried"):
        load()
elif mode == "chatty":
    with batchtel.job(sys.argv[3] if len(sys.argv) > 3 else "history_chatty"):
        for number in range(int(sys.argv[2])):
            logging.getLogger("shop").info("line %d.", number)
else:
    twice(int(sys.argv[2]), mode == "fails")
"""


@dataclass(frozen=True)
class Shop:
    """A stack on which jobs run, and the addresses of its stores as options."""

    stack: Stack

    def run(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a job."""
        return start(
            SCRIPT,
            None,
            *arguments,
            **{
                "OTEL_EXPORTER_OTLP_ENDPOINT": self.stack.otlp_http,
                "OTEL_SERVICE_NAME": SERVICE,
                "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=shop,deployment.environment.name=prod",
                "OTEL_METRIC_EXPORT_INTERVAL": "200",
                **variables,
            },
        )

    def ended(self, *arguments: str, **variables: str) -> int:
        """Run a job to its end; its exit code."""
        with self.run(*arguments, **variables) as process:
            process.communicate(timeout=60)
            return process.returncode

    def call(self, *arguments: str, group: str = "runs", **stores: str) -> Result:
        """Call `batchtel runs`, or another group."""
        addresses = {"prometheus": self.stack.prometheus, "victorialogs": self.stack.victorialogs, **stores}
        options = [part for name, url in addresses.items() for part in (f"--{name}", url)]
        return CliRunner().invoke(main, [group, *arguments, *options])

    def document(self, *arguments: str, group: str = "runs") -> Any:
        """Return the document of a call that succeeds."""
        called = self.call(*arguments, "--json", group=group)
        assert called.exit_code == 0, called.output
        return json.loads(called.stdout)

    def listed(self, job: str, *more: str) -> list[Mapping[str, Any]]:
        """Return the runs of a job."""
        runs: list[Mapping[str, Any]] = self.document("list", "--job", job, *more)
        return runs


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Shop:
    """The stack after one run of each kind."""
    shop = Shop(stack)
    assert shop.ended("flaky") == 0
    assert shop.ended("killed") == -signal.SIGKILL
    assert shop.ended("works", "30", BATCHTEL_RUN_ID="again-1", BATCHTEL_ATTEMPT="2") == 0
    assert shop.ended("fails", "3", BATCHTEL_RUN_ID="again-1", BATCHTEL_ATTEMPT="1") == 1
    assert shop.ended("works", "100", BATCHTEL_RUN_ID="good") == 0
    assert shop.ended("fails", "0", BATCHTEL_RUN_ID="bad-1") == 1
    # VictoriaLogs shows what arrived later before what arrived earlier, within its second of buffers.
    ends = {"again-1": "success", "good": "success", "bad-1": "failure"}
    until("the runs", lambda: {r["run_id"]: r["status"] for r in shop.listed("history_twice")} == ends or None, 60)
    until("the first run", lambda: [r for r in shop.listed("history_flaky") if r["status"] == "success"] or None, 60)
    return shop


def test_each_run_is_listed_as_it_ended(shop: Shop) -> None:
    """Attempts of one run are one row; the last attempt decides, also where its events are not the newest."""
    rows = {row["run_id"]: row for row in shop.listed("history_twice")}
    assert {name: (row["status"], row["attempts"], row["records"]) for name, row in rows.items()} == {
        "again-1": ("success", 2, 30),
        "good": ("success", 1, 100),
        "bad-1": ("failure", 1, 0),
    }
    assert rows["bad-1"]["error"] == "ValueError: no [red]<b>input</b>\x1b[2J"
    assert (rows["good"]["service"], rows["good"]["environment"]) == ("shop/history", "prod")
    (flaky,) = shop.listed("history_flaky")
    assert (flaky["status"], flaky["attempts"]) == ("success", 3)
    assert [row["run_id"] for row in shop.listed("history_twice", "--status", "failure")] == ["bad-1"]
    assert [row["run_id"] for row in shop.listed("history_twice", "--limit", "1")] == ["bad-1"]
    assert shop.listed("history_twice", "--since", "2h", "--until", "1h") == []


def test_a_killed_run_is_lost_and_an_open_one_runs(shop: Shop) -> None:
    """Heartbeats of the job decide, 2 minutes after the start at the earliest: here at once, at a later time."""
    with shop.run("open") as process:
        until("the open run", lambda: shop.listed("history_open") or None, 60)
        (row,) = shop.listed("history_open")
        assert (row["status"], row["duration"]) == ("running", None)
        (logs,), now = shop.stack.stores.logs, time.time()
        found = History(logs).runs(Selection(now - 3600, now + 60), 1000)
        assert {run.identity.job for run in found if run.status == OPEN} >= {"history_killed", "history_open"}
        alive: Live = {("shop/history", "prod", "history_killed"): 0.0, ("shop/history", "prod", "history_open"): 1.0}
        later = {run.identity.job: run.status for run in judged(found, alive, now + LIVE + 1)}
        assert (later["history_killed"], later["history_open"]) == (LOST, RUNNING)
        process.communicate("\n", timeout=60)
    until("its end", lambda: [r for r in shop.listed("history_open") if r["status"] == "success"] or None, 60)


def test_show(shop: Shop) -> None:
    """Attempts, steps with their records, the stack trace and log lines; by the beginning of the id."""
    shown = shop.document("show", "bad")
    assert (shown["run_id"], shown["status"], shown["quality"]) == ("bad-1", "failure", 0.9)
    assert [(step["step"], step["status"]) for step in shown["steps"]] == [("read", "success"), ("write", "failure")]
    assert "second line" in shown["attempts"][0]["fields"]["exception.stacktrace"]
    assert shown["spans"].endswith(f"/api/v3/traces/{shown['trace_id']}")
    assert shown["spans"] in shop.call("show", "bad").stdout
    again = shop.document("show", "again-1")
    assert [(one["attempt"], one["status"]) for one in again["attempts"]] == [(1, "failure"), (2, "success")]
    assert [(step["attempt"], step["step"]) for step in again["steps"]] == [
        (2, "read"),
        (2, "write"),
        (1, "read"),
        (1, "write"),
    ]


def test_foreign_text_changes_no_terminal(shop: Shop) -> None:
    """Neither markup nor control characters of a log line, a message or a name do anything."""
    shown = shop.call("show", "bad-1").stdout
    assert "\x1b" not in shown
    assert "[bold]:smile: red <script>alert(1)</script>" in shown
    assert "ValueError: no [red]<b>input</b>\n" in shown
    assert "\x1b" not in shop.call("list").stdout
    assert "\x1b" not in shop.call("compare", "bad-1").stdout


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_narrow_terminal_removes_no_column(shop: Shop, columns: int) -> None:
    """A long error is cut; status, start and duration of each run are there, and the names of facts in `show`."""
    listed = in_terminal(columns, "list", "--job", "history_twice", "--victorialogs", shop.stack.victorialogs)
    (row,) = [line.split() for line in listed.splitlines() if " bad-1 " in line]
    assert row[:3] == ["history_twice", "bad-1", "failure"]
    assert row[6:9] == ["0", "0.9", "1"]
    shown = in_terminal(columns, "show", "bad-1", "--victorialogs", shop.stack.victorialogs)
    for name in ("status ", "service ", "started ", "records ", "STEP ", "DURATION ", "STATUS "):
        assert name in shown


def in_terminal(columns: int, *arguments: str) -> str:
    """Return what `batchtel runs` prints in a terminal of this width, without colours."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    command = [str(Path(sys.executable).with_name("batchtel")), "runs", *arguments]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(theirs)
        printed = b""
        # Linux reports the end of a terminal as an error.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65536):
                printed += part
        assert process.wait(60) == 0
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", printed.decode()).replace("\r\n", "\n")


def test_tries_that_failed_are_there(shop: Shop) -> None:
    """The error and the stack trace of each, though the run, or its step, succeeded in the end."""
    assert shop.ended("tried", BATCHTEL_RUN_ID="tried-1") == 0
    until("the run", lambda: [r for r in shop.listed("history_tried") if r["status"] == "success"] or None, 60)
    tried = shop.document("show", "tried-1")
    assert [(one["step"], one["status"]) for one in tried["steps"]] == [("load", "failure"), ("load", "success")]
    shown = shop.call("show", "tried-1").stdout
    assert "error of step load, try 1\n  Traceback (most recent call last)" in shown
    assert "OSError: the first try" in shown
    (flaky,) = shop.listed("history_flaky")
    shown = shop.call("show", flaky["run_id"]).stdout
    assert [line for line in shown.splitlines() if line.startswith("error of attempt")] == [
        "error of attempt 1",
        "error of attempt 2",
    ]


def test_what_a_run_has_not_logged_is_named(shop: Shop) -> None:
    """Events about parts of a run, such as the limit of log records, are among its log records."""
    assert shop.ended("chatty", "30000", BATCHTEL_RUN_ID="chatty") == 0
    until("the chatty run", lambda: [r for r in shop.listed("history_chatty") if r["status"] == "success"] or None, 60)
    shown = shop.call("show", "chatty", "--logs").stdout
    assert " line 4." in shown
    assert " line 15000." not in shown
    assert "has logged more than 10000 records" in shown


def test_a_name_in_two_services(shop: Shop) -> None:
    """Each has its own runs, and an option chooses one of them."""
    assert shop.ended("chatty", "1", BATCHTEL_RUN_ID="other-service", OTEL_SERVICE_NAME="other") == 0

    def both() -> Any:
        found = shop.document("show", "history_chatty", group="jobs")
        return found if {run["run_id"] for run in found["runs"]} == {"chatty", "other-service"} else None

    states = until("both services", both, 60)["states"]
    assert {one["service"] for one in states} == {"shop/history", "shop/other"}
    one = shop.document("show", "history_chatty", "--service", "shop/other", group="jobs")
    assert [run["run_id"] for run in one["runs"]] == ["other-service"]
    assert shop.ended("chatty", "1", BATCHTEL_RUN_ID="chatty", OTEL_SERVICE_NAME="other") == 0

    def the_same_id_twice() -> bool | None:
        return [run["run_id"] for run in shop.listed("history_chatty")].count("chatty") == 2 or None

    until("the same id in both services", the_same_id_twice, 60)
    twice = shop.call("show", "chatty")
    assert (twice.exit_code, "'chatty' means 2 runs" in twice.stderr) == (1, True)
    assert "add --job, --service or --deployment-environment" in twice.stderr
    for service in ("shop/history", "shop/other"):
        assert shop.document("show", "chatty", "--service", service)["service"] == service
    assert shop.listed("history_chatty", "--deployment-environment", "none") == []
    none = shop.call("show", "history_chatty", "--service", "none", group="jobs")
    assert (none.exit_code, "no job 'history_chatty' has run in the service 'none'" in none.stderr) == (1, True)


def test_a_name_that_is_longer_than_a_label(shop: Shop) -> None:
    """Metrics have it cut with a hash of the whole, log records have it whole: a job has its runs by both."""
    whole = "load-" + "ü" * 200
    assert shop.ended("chatty", "1", whole, BATCHTEL_RUN_ID="long-name") == 0

    def found() -> Any:
        called = shop.call("show", whole, "--json", group="jobs")
        shown = json.loads(called.stdout) if called.exit_code == 0 else {"states": []}
        return shown if shown["states"] and shown["runs"] else None

    shown = until("metrics and runs", found, 60)
    (state,) = shown["states"]
    assert len(state["job"].encode()) <= 120
    assert [run["run_id"] for run in shown["runs"]] == ["long-name"]
    for name in (whole, state["job"]):
        assert [run["run_id"] for run in shop.listed(name)] == ["long-name"]
        assert [run["run_id"] for run in shop.document("show", name, group="jobs")["runs"]] == ["long-name"]
        assert shop.document("show", "long-name", "--job", name)["job"] == whole


def test_compare_with_the_last_success(shop: Shop) -> None:
    """The run before it that succeeded, and the first step that differs."""
    compared = shop.document("compare", "bad-1")
    assert (compared["this"]["run_id"], compared["other"]["run_id"]) == ("bad-1", "good")
    rows = {row["what"]: row["differs"] for row in compared["rows"]}
    assert (rows["status"], rows["records processed"], rows["step write"]) == (True, True, True)
    assert (rows["duration"], rows["attempts"], rows["quality"]) == (False, False, False)
    assert compared["first"].startswith("First difference: step read is success")
    named = shop.document("compare", "good", "again-1")
    assert named["other"]["run_id"] == "again-1"
    first = shop.call("compare", "again-1")
    assert first.exit_code == 1
    assert "no run of history_twice succeeded before this one; name another run" in first.stderr


def test_what_is_not_there(shop: Shop) -> None:
    """No run, several runs, a time that is none, and a store that is away."""
    none = shop.call("show", "no-such-run")
    assert none.exit_code == 1
    assert "VictoriaLogs has no run 'no-such-run' since" in none.stderr
    several = shop.call("show", "0")
    assert several.exit_code == 1
    assert "'0' means" in several.stderr
    assert len(json.loads(shop.call("show", "0", "--json").stdout)) > 1
    for since, until_, text in (
        ("1h", "2h", "until 2h is not after since 1h; 2h is 2 hours before now"),
        ("99999999d", "1h", "'99999999d' is not between 1970 and 2100; write 90m"),
        ("9999-12-31", "1h", "'9999-12-31' is not between 1970 and 2100; write 90m"),
    ):
        refused = shop.call("list", "--since", since, "--until", until_)
        assert (refused.exit_code, text in refused.stderr) == (2, True), refused.stderr
    assert shop.listed("\udcff") == []
    wrong = shop.call("list", "--since", "yesterday")
    assert wrong.exit_code == 2
    assert "'yesterday' is neither a duration nor a time; write 90m, 2h, 7d" in wrong.stderr
    away = shop.call("list", victorialogs="http://127.0.0.1:9")
    assert away.exit_code == 3
    assert "VictoriaLogs does not answer at http://127.0.0.1:9" in away.stderr
    without = shop.call("list", "--job", "history_killed", prometheus="http://127.0.0.1:9")
    assert (without.exit_code, " open " in without.stdout) == (0, True)
    assert "Prometheus does not answer whether the run is alive" in without.stderr


def test_a_list_longer_than_what_is_read_first(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are read until the runs are complete: the result does not depend on their size."""
    (logs,), now = shop.stack.stores.logs, time.time()
    history, selection = History(logs, shop.stack.stores.prometheus), Selection(now - 3600, now)
    whole = [(run.identity, run.status) for run in history.runs(selection, 1000)]
    monkeypatch.setattr("batchtel_dashboards.history.reader.FIRST", 1)
    for limit in (1, 2, len(whole) - 1, len(whole)):
        assert [(run.identity, run.status) for run in history.runs(selection, limit)] == whole[:limit]


def test_follow(shop: Shop) -> None:
    """A run that starts and ends meanwhile is two lines, and of another service none; Ctrl-C ends with 0."""
    command = [str(Path(sys.executable).with_name("batchtel")), "runs", "list", "--follow", "--job", "history_twice"]
    command += ["--victorialogs", shop.stack.victorialogs, "--prometheus", shop.stack.prometheus]
    command += ["--service", "shop/history", "--deployment-environment", "prod"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == "runs as they start and end, until Ctrl-C\n"
        assert shop.ended("works", "5", BATCHTEL_RUN_ID="elsewhere", OTEL_SERVICE_NAME="other") == 0
        assert shop.ended("works", "5", BATCHTEL_RUN_ID="followed") == 0
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert [line.split()[1:4] for line in lines] == [
        ["started", "history_twice", "followed"],
        ["success", "history_twice", "followed"],
    ]


CATALOGUE: Final = """
[jobs.history_twice]
owner = "ada@example.com"
schedule = { cron = "0 2 * * *", timezone = "Europe/Berlin" }

[jobs.history_never]
schedule = { cron = "0 3 * * *" }

[jobs.history_paused]
paused = true
schedule = { every = "1h" }
"""


def test_jobs(shop: Shop, tmp_path: Path) -> None:
    """State, last success, rate and median of each job; those of the catalogue that have never run, too."""
    (tmp_path / "jobs.toml").write_text(CATALOGUE)
    catalogue = ("--catalogue", str(tmp_path / "jobs.toml"))

    def rows() -> dict[str, Any] | None:
        listed = shop.document("list", *catalogue, group="jobs")
        found = {row["job"]: row for row in listed if row["service"] in (None, "shop/history")}
        return found if found.get("history_twice", {}).get("runs_7d", 0) >= 4 else None

    found = until("the metrics of the runs", rows, 60)
    twice = found["history_twice"]
    assert (twice["owner"], twice["service"], twice["environment"]) == ("ada@example.com", "shop/history", "prod")
    assert (twice["overdue"], twice["paused"]) == (False, False)
    assert 0 < twice["success_rate_7d"] < 1
    assert 0 < twice["median_duration_7d"] < 60
    due = datetime.fromisoformat(twice["next_due"]).astimezone(ZoneInfo("Europe/Berlin"))
    assert (due.hour, due.minute) == (2, 0)
    assert 0 < due.timestamp() - time.time() <= 25 * 3600
    assert (found["history_flaky"]["state"], found["history_flaky"]["success_rate_7d"]) == ("success", 1.0)
    assert (found["history_never"]["state"], found["history_never"]["last_success"]) == ("never", None)
    assert (found["history_paused"]["paused"], found["history_paused"]["next_due"]) == (True, None)
    listed = shop.call("list", *catalogue, group="jobs").stdout
    assert "history_never" in listed
    called = shop.call("show", "history_twice", *catalogue, group="jobs")
    shown = called.stdout
    assert called.exit_code == 0, repr(called.exception)
    assert "ada@example.com" in shown
    assert "red: did not succeed" in shown
    assert "bad-1" in shown
    missing = shop.call("show", "no_such_job", group="jobs")
    assert (missing.exit_code, "no job 'no_such_job' has run" in missing.stderr) == (1, True)
    away = shop.call("list", group="jobs", prometheus="http://127.0.0.1:9")
    assert (away.exit_code, "Prometheus does not answer at" in away.stderr) == (3, True)
    without = shop.call("show", "history_twice", group="jobs", victorialogs="http://127.0.0.1:9")
    assert (without.exit_code, "warning: its runs are not shown: VictoriaLogs" in without.stderr) == (0, True)


@pytest.mark.parametrize(
    ("cron", "zone", "now", "due"),
    [
        ("0 2 * * *", "UTC", "2026-11-29T01:59:59+00:00", "2026-11-29T02:00:00+00:00"),
        ("0 2 * * *", "UTC", "2026-11-29T02:00:00+00:00", "2026-11-30T02:00:00+00:00"),
        ("*/5 * * * *", "UTC", "2026-11-29T02:02:00+00:00", "2026-11-29T02:05:00+00:00"),
        ("0 6 * * mon-fri", "UTC", "2026-11-27T06:00:00+00:00", "2026-11-30T06:00:00+00:00"),
        ("0 12 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-25T12:00:00+01:00"),
        ("0 0 29 2 *", "UTC", "2026-11-29T00:00:00+00:00", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_the_next_time_that_is_due(cron: str, zone: str, now: str, due: str) -> None:
    """The first one after now, across weekends, clock changes and leap years."""
    found = next_due(Schedule(cron=Cron.of(cron), timezone=zone), datetime.fromisoformat(now).timestamp(), None)
    assert found == datetime.fromisoformat(due).timestamp()
