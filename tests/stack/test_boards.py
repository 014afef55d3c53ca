"""The queries of the boards on a real stack: none fails, none is empty, and numbers are those of the jobs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from batchtel_dashboards import detail_queries
from batchtel_dashboards.boards import shipped
from batchtel_dashboards.engines import ENGINES
from batchtel_stack.stack import Stack
from tests.support.board_answers import Answers, board
from tests.support.boards import queries
from tests.support.polling import until
from tests.support.process import start

SERVICE: Final = "boards"

CATALOGUE: Final = """
[jobs.board_load.sla]
min_records = 100

[jobs.board_late.sla]
max_duration = "0.1s"
must_complete_by = { time = "%H:%M" }
"""

SCRIPT: Final = """
import datetime, sys, time, batchtel

def main(name, records, ends):
    with batchtel.job(name, type="etl") as job:
        batchtel.flush()
        with batchtel.step("load") as step:
            step.records(read=records + 1, written=records)
        job.records(processed=records, failed=1)
        job.quality(0.98, schema_version="7")
        job.watermark(datetime.datetime.now(datetime.timezone.utc))
        time.sleep(0.3)
        if ends == "open":
            sys.stdin.readline()
        if ends == "failure":
            raise ValueError("no input")

main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
"""

RUNS: Final = (
    ("board_load", 50, "success"),
    ("board_load", 150, "success"),
    ("board_load", 0, "failure"),
    ("board_late", 10, "success"),
    ("board_late", 20, "failure"),
)
"""Job, records and end of each run. board_load has two with fewer than 100 records, board_late two that are too long
and too late."""

LATER: Final = 100.0
"""Seconds after now at which queries are evaluated: those of lost runs count what is older than 2 minutes, and show
it a minute later."""

NEVER_HERE: Final = ("offset 604800s", "offset 691200s")
"""Parts of queries that read data of the week before."""


@pytest.fixture(scope="module")
def ran(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    """The stack after RUNS, with one more run that is open."""
    catalogue, since = tmp_path_factory.mktemp("boards") / "jobs.toml", time.time()
    now = datetime.now(UTC)
    catalogue.write_text((now - timedelta(minutes=30)).strftime(CATALOGUE))
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http,
        "OTEL_SERVICE_NAME": SERVICE,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "BATCHTEL_CATALOGUE": str(catalogue),
        "BATCHTEL_SCHEDULED_AT": (now - timedelta(hours=1)).isoformat(),
        "BATCHTEL_QUEUED_AT": now.isoformat(),
    }

    def run(number: int, job: str, records: int, ends: str) -> subprocess.Popen[str]:
        more = {"BATCHTEL_RUN_ID": f"boards-{number}", "BATCHTEL_ATTEMPT": "2" if number == 1 else "1"}
        return start(SCRIPT, None, job, str(records), ends, **variables, **more)

    for number, (job, records, ends) in enumerate(RUNS):
        _, errors = run(number, job, records, ends).communicate(timeout=60)
        assert ("ValueError: no input" in errors) == (ends == "failure"), errors
    with run(len(RUNS), "board_open", 5, "open") as open_run:
        done = Answers(stack, SERVICE, since, LATER)

        def number_of_runs() -> bool | None:
            rows = done.answer('sum(batch_job_runs_started_total{job=~"$service"})')
            return (bool(rows) and float(rows[0]["value"][1]) == len(RUNS) + 1) or None

        try:
            until("the runs in Prometheus", number_of_runs, 60)
            last = time.time()
            until("3 minutes since then at the time of queries", lambda: time.time() > last + 181 - LATER or None, 120)
            yield done
        finally:
            open_run.communicate("\n", timeout=60)


@pytest.mark.parametrize("aggregation", ENGINES)
@pytest.mark.parametrize("uid", shipped.texts("exact"))
def test_every_query_runs(ran: Answers, uid: str, aggregation: str) -> None:
    """Prometheus answers each one: it has no type error, and with `exact` no label that would be there twice."""
    for _, text in queries(board(uid, aggregation)):
        ran.answer(text)


@pytest.mark.parametrize("uid", ["batch-fleet", "batch-job", "batch-sla", "batch-airflow-tasks"])
def test_no_panel_is_empty(ran: Answers, uid: str) -> None:
    """Each query of a panel has data, but those of the week before."""
    empty = [
        (title, text)
        for title, text in queries(board(uid))
        if not any(part in text for part in NEVER_HERE) and not ran.answer(text)
    ]
    assert empty == []


def test_numbers_are_those_of_the_jobs(ran: Answers) -> None:
    """Runs, failures, records, retries and SLA violations."""
    fleet, job, sla = "batch-fleet", "batch-job", "batch-sla"
    assert ran.number(fleet, "Runs started, 24 h") == len(RUNS) + 1
    assert ran.number(fleet, "Runs failed, 24 h") == 2
    assert ran.number(fleet, "Success rate, 24 h") == 3 / 5
    assert ran.number(fleet, "Failures by error type, 24 h") == 2
    assert ran.number(fleet, "SLA violations, 24 h") == 2 + 2 + 2
    assert ran.number(job, "Success rate, 24 h", job="board_load") == 2 / 3
    assert ran.number(job, "Success rate, 24 h", job="board_late") == 1 / 2
    assert ran.number(job, "Retries, 24 h", job="board_load") == 1
    assert ran.number(job, "Steps, 24 h", 2, job="board_load") == 200
    assert ran.number(job, "Steps, 24 h", 1, job="board_late") == 32
    tasks = "batch-airflow-tasks"
    assert ran.number(tasks, "Tasks currently failed") == 0
    assert ran.number(tasks, "Tasks currently succeeded") == 3
    assert ran.number(sla, "Violations by job and rule, 24 h", job="board_load") == 2
    assert ran.number(sla, "Deadlines and last success", 2, job="board_late") == 2
    kept = ran.number(sla, "Kept, and budget left", 1, job="board_load")
    assert kept == pytest.approx(1 - 2 / 3)
    assert ran.number(sla, "Kept, and budget left", 0, job="board_load") == pytest.approx(1 - (2 / 3) / 0.01)


def test_an_open_run_is_running(ran: Answers) -> None:
    """It is counted after half of the 2 minutes over which heartbeats are added."""
    until("the open run", lambda: ran.number("batch-fleet", "Running now", later=0) == 1 or None, 90)
    assert ran.number("batch-job", "Running now", later=0, job="board_load") == 0


def test_records_of_the_last_step_of_a_chart(ran: Answers) -> None:
    """A bar has the records since the bar before: here all of them."""
    (text,) = [text for title, text in queries(board("batch-job")) if title == "Records"][:1]
    (row,) = ran.answer(text, job="board_load")
    assert float(row["value"][1]) == 200


def test_all_failed_is_zero_and_nothing_is_no_data(ran: Answers) -> None:
    """A success rate of 0 differs from none: a job that does not exist has no number at all."""
    (text,) = [text for title, text in queries(board("batch-fleet")) if title == "Success rate, 24 h"]
    only_failures = text.replace('status="success"', 'status="none"')
    (row,) = ran.answer(only_failures)
    assert float(row["value"][1]) == 0
    assert ran.answer(text, job="board_open") == []
    for title, query in queries(board("batch-fleet")):
        assert ran.answer(query, job="no_such_job") == [], title


def test_one_run_by_its_id(ran: Answers) -> None:
    """The queries of VictoriaLogs find the run, its steps and its stack trace, and nothing without an id."""

    def found(text: str, run: str) -> list[dict[str, str]]:
        return ran.logged(text, job="board_.*", run=run)

    (end,) = found(detail_queries.logsql(detail_queries.RUN_FINISHED), "boards-2")
    assert (end["batch.status"], end["error.type"]) == ("failure", "ValueError")
    (step,) = found(detail_queries.logsql(detail_queries.STEP_FINISHED), "boards-1")
    assert (step["batch.step.name"], step["batch.records.written"]) == ("load", "150")
    errors = found(detail_queries.logsql_error(), "boards-2")
    assert any("no input" in error["_msg"] and "in main" in error["_msg"] for error in errors)
    assert found(detail_queries.logsql(), "") == []
    ended = found(detail_queries.logsql(detail_queries.RUN_FINISHED, one=False), "")
    assert len(ended) == len(RUNS)
