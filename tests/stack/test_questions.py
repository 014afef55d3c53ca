"""Each question of docs/questions.md, asked by its command and on its page after the demo, compared with the ledger."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel_dashboards.history.reader import History
from batchtel_dashboards.history.selection import Selection
from batchtel_dashboards.history.text import LATEST, span
from batchtel_dashboards.stores import Firing
from batchtel_stack.demo import ledger
from batchtel_stack.demo.jobs import etl, fleet, idle, race, retry
from batchtel_stack.stack import Stack
from tests.stack.conftest import Played
from tests.support.polling import until
from tests.support.site import Site, of_stores, serving

ROOT: Final = Path(__file__).parents[2]

ROWS: Final = re.findall(
    r"^\| (.+\?) \| `(.+)` \| `(.+)` \| (\w+) \|$", (ROOT / "docs" / "questions.md").read_text(), re.M
)

ASKED: Final = [row for row in ROWS if row[3] != "pipeline"]
"""Those that change nothing."""

JOBS: Final = {
    "state_of_a_job": race.JOB,
    "success_rate": retry.JOB,
    "alerts_of_a_job": race.JOB,
    "trend": etl.JOB,
    "green_without_records": idle.JOB,
}
"""Test -> the job that its question is about."""

RUNS: Final = {"attempts": retry.JOB, "error": race.JOB}
"""Test -> the job whose run its question is about; that of `etl` if it is not named."""

CATALOGUE: Final = f"""
[jobs.{etl.JOB}]
schedule = {{ every = "1d" }}

[jobs.never_ran]
schedule = {{ cron = "0 2 * * *" }}
"""


@dataclass(frozen=True)
class Asked:
    """The answers to a question: of its command, JSON if it prints that, and of its page, as text without markup."""

    lines: Sequence[ledger.Line]
    printed: str
    page: str
    run_id: str

    @property
    def document(self) -> Any:
        """The JSON of the command."""
        return json.loads(self.printed)

    def tile(self, name: str) -> str:
        """Return a number at the top of the page."""
        found = re.search(rf"(?:^|\n){re.escape(name)}\n(.+)", self.page)
        assert found is not None, self.page[:3000]
        return found[1].strip()

    def of(self, event: str, job: str = "") -> list[ledger.Line]:
        """Return lines of the ledger."""
        return [line for line in self.lines if line["event"] == event and job in ("", line["job"])]

    @property
    def failed(self) -> list[ledger.Line]:
        """The ends of attempts that failed."""
        return [line for line in self.of("ended") if line["status"] == "failure"]


@pytest.fixture(scope="module")
def site(played: Played, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The pages, with a catalogue."""
    catalogue = tmp_path_factory.mktemp("catalogue") / "jobs.toml"
    catalogue.write_text(CATALOGUE)
    with serving(*of_stores(played.stack.stores), "--catalogue", str(catalogue)) as site:
        yield site


def ended_today(asked: Asked) -> None:
    """Runs of the list and the tile; attempts of one run are one run, and are counted each."""
    assert len(asked.document) == len({(line["job"], line["run_id"]) for line in asked.of("ended")})
    assert asked.tile("Runs ended, 24 h") == str(len(asked.of("ended")))
    jobs = {line["job"] for line in asked.lines}
    assert {run["job"] for run in asked.document} == jobs
    assert asked.tile("Jobs that ran, 24 h") == str(len(jobs))


def failed_in_the_last_hour(asked: Asked) -> None:
    """Of the runs whose last attempt failed; the tile counts attempts, and steps."""
    recovered = {line["run_id"] for line in asked.of("ended", retry.JOB)}
    assert {run["run_id"] for run in asked.document} == {line["run_id"] for line in asked.failed} - recovered
    steps = [line for line in asked.of("step") if line["status"] == "failure"]
    assert asked.tile("Failed in the last hour") == f"{len(asked.failed)} runs {len(steps)} steps"


def mean_duration(asked: Asked) -> None:
    """The median of each job, and the mean of all runs and steps."""
    assert {row["job"] for row in asked.document if row["median_duration_7d"] > 0} == {
        line["job"] for line in asked.lines
    }
    assert re.fullmatch(r"[\d.]+ m?s run [\d.]+ m?s step", asked.tile("Mean duration, 24 h"))


def errors(asked: Asked) -> None:
    """By class."""
    expected = Counter(line["error_type"] for line in asked.failed)
    recovered = Counter(line["error_type"] for line in asked.failed if line["job"] == retry.JOB)
    assert Counter(run["error"].partition(":")[0] for run in asked.document) == expected - recovered
    shown = asked.page.partition("Failures by error, 24 h")[2].partition("SLA violations, 24 h")[0]
    for kind, count in expected.items():
        assert re.search(rf"{kind}\s+{count}\s", shown), shown


def running_now(asked: Asked) -> None:
    """Nothing."""
    assert asked.document == []
    assert "No run matches between 35d and now" in asked.page


def attention(asked: Asked) -> None:
    """Those whose last run failed."""
    assert race.JOB in {row["job"] for row in asked.document if row["state"] == "failure"}
    listed = asked.page.partition("Name or owner")[2].partition("Failures by error")[0]
    assert race.JOB in listed
    assert etl.JOB not in listed


def pipeline(asked: Asked) -> None:
    """Everything that was sent has arrived."""
    assert asked.document["ok"] is True
    for one in ("Received, 1 h", "Data points dropped by reason, 1 h", "Queues and deliveries"):
        assert one in asked.page


def state_of_a_job(asked: Asked) -> None:
    """It failed, and has never succeeded."""
    (state,) = asked.document["states"]
    assert (state["state"], state["last_success"]) == ("failure", None)
    assert f"{race.JOB} failure" in asked.page
    assert asked.tile("Last success") == "never"


def success_rate(asked: Asked) -> None:
    """Of attempts."""
    ends = [line["status"] for line in asked.of("ended", retry.JOB)]
    share = ends.count("success") / len(ends)
    assert asked.document["states"][0]["success_rate_7d"] == share
    assert asked.tile("Success, 7 d") == f"{share:.1%}"


def alerts_of_a_job(asked: Asked) -> None:
    """That of its failures."""
    assert "BatchHighFailureRate" in {one["alertname"] for one in asked.document["alerts"]}
    assert "BatchHighFailureRate" in asked.page


def trend(asked: Asked) -> None:
    """Durations and records of its runs."""
    (ended,) = asked.of("ended", etl.JOB)
    (run,) = asked.document["runs"]
    assert run["records"] == ended["processed"]
    assert run["duration"] > 0
    assert f"duration of each run, top {span(run['duration'])}" in asked.page
    assert f"records processed of each run, top {ended['processed']:,}" in asked.page


def green_without_records(asked: Asked) -> None:
    """It succeeded, and processed nothing."""
    (run,) = asked.document
    assert (run["status"], run["records"]) == ("success", 0)
    assert re.search(rf"{run['run_id']}\s+success\s+[\d:]+\s+[\d.]+ m?s\s+0\s", asked.page)


def overdue(asked: Asked) -> None:
    """The job that has never run is, and due at 2 next."""
    rows = {row["job"]: row for row in asked.document}
    assert rows[etl.JOB]["overdue"] is False
    assert (rows["never_ran"]["state"], rows["never_ran"]["overdue"]) == ("never", True)
    assert rows["never_ran"]["next_due"]
    listed = asked.page.partition("Name or owner")[2].partition("Failures by error")[0]
    assert "never_ran" in listed
    assert etl.JOB not in listed


def attempts(asked: Asked) -> None:
    """The last attempt decides."""
    ends = [line["status"] for line in sorted(asked.of("ended", retry.JOB), key=lambda line: int(line["attempt"]))]
    assert [one["status"] for one in asked.document["attempts"]] == ends
    assert asked.document["status"] == "success"
    assert asked.tile("Attempts") == str(len(ends))


def records(asked: Asked) -> None:
    """Of the run, and of each of its steps."""
    (ended,) = asked.of("ended", etl.JOB)
    assert (asked.document["records"], asked.document["records_failed"]) == (ended["processed"], ended["failed"])
    assert asked.tile("Records processed") == f"{ended['processed']:,}"
    assert asked.tile("Records failed") == f"{ended['failed']:,}"
    steps = {one["step"]: one["fields"] for one in asked.document["steps"]}
    for line in asked.of("step", etl.JOB):
        for what in ("read", "written", "failed"):
            assert int(steps[line["step"]].get(f"batch.records.{what}", 0)) == line.get(what, 0)
        bar = asked.page.partition(f"batch_step.{line['step']}")[2].partition("batch_step.")[0]
        assert f"read {line['read']}" in bar


def quality(asked: Asked) -> None:
    """Score and version."""
    (ended,) = asked.of("ended", etl.JOB)
    assert asked.document["quality"] == pytest.approx(ended["quality"])
    assert asked.document["attempts"][0]["fields"]["batch.schema.version"] == ended["schema_version"]
    assert asked.tile("Data quality") == f"{ended['quality']:.4g}"
    assert asked.tile("Schema version") == ended["schema_version"]


def lineage(asked: Asked) -> None:
    """Where its records came from, and where they went."""
    fields = asked.document["attempts"][0]["fields"]
    assert json.loads(fields["batch.inputs"]) == [etl.SOURCE]
    (target,) = json.loads(fields["batch.outputs"])
    assert asked.tile("Inputs") == etl.SOURCE
    assert asked.tile("Outputs") == target


def error(asked: Asked) -> None:
    """Class, message, and where it was raised."""
    (line,) = [line for line in asked.failed if line["run_id"] == asked.run_id]
    fields = asked.document["attempts"][-1]["fields"]
    assert fields["error.type"] == line["error_type"]
    assert "Traceback (most recent call last)" in fields["exception.stacktrace"]
    for text in (fields["exception.message"], "Traceback (most recent call last)", line["error_type"]):
        assert text in asked.page


def difference(asked: Asked) -> None:
    """The status, and the step that failed this time."""
    rows = {row["what"]: row["differs"] for row in asked.document["rows"]}
    assert rows["status"] is True
    assert asked.document["other"]["status"] == "success"
    assert asked.document["first"] in asked.page


def log_records(asked: Asked) -> None:
    """The job's own lines."""
    (ended,) = asked.of("ended", etl.JOB)
    logged = f"loaded {ended['processed']} airports, {ended['failed']} have no city"
    assert logged in asked.printed
    assert logged in asked.page


def waterfall(asked: Asked) -> None:
    """Each step has a bar."""
    for line in asked.of("step", etl.JOB):
        assert re.search(rf"^{line['step']} +1 +█", asked.printed, re.M) or re.search(
            rf"^{line['step']} .*█", asked.printed, re.M
        )
        assert f"batch_step.{line['step']}" in asked.page


CHECKS: Final[Sequence[Callable[[Asked], None]]] = (
    *(ended_today, failed_in_the_last_hour, mean_duration, errors, running_now, attention, pipeline),
    *(state_of_a_job, success_rate, alerts_of_a_job, trend, green_without_records, overdue),
    *(attempts, records, quality, lineage, error, difference, log_records, waterfall),
)


def test_each_question_has_a_check() -> None:
    """In the order of the page, each once."""
    assert [row[3] for row in ROWS] == [check.__name__ for check in CHECKS]


@pytest.mark.parametrize(("command", "page", "name"), [row[1:] for row in ASKED], ids=[row[3] for row in ASKED])
def test_question(played: Played, site: Site, tmp_path: Path, command: str, page: str, name: str) -> None:
    """The command and the page have what the ledger has."""
    lines = ledger.read(played.ledger)
    run = _run(lines, name, played)
    (tmp_path / "jobs.toml").write_text(CATALOGUE)
    for placeholder, text in (("JOB", JOBS.get(name, "")), ("RUN", run), ("jobs.toml", str(tmp_path / "jobs.toml"))):
        command, page = (re.sub(rf"\b{re.escape(placeholder)}\b", text, one) for one in (command, page))
    if name == "alerts_of_a_job":
        until("an alert", lambda: [one for one in played.stack.stores.prometheus.firing() if _of_race(one)] or None, 60)
    check = {one.__name__: one for one in CHECKS}[name]
    check(Asked(lines, _called(command, played.stack), _text(site.get(page).text), run))


def test_whether_telemetry_arrives(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question of `pipeline`, on a stack of its own, because its command sends a run."""
    (row,) = [row for row in ROWS if row[3] == pipeline.__name__]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", stack.otlp_http)
    with serving(*of_stores(stack.stores)) as site:
        pipeline(Asked([], _called(row[1], stack), _text(site.get(row[2]).text), ""))


def _of_race(alert: Firing) -> bool:
    return alert.labels.get("job_name") == race.JOB


def _called(command: str, stack: Stack) -> str:
    parts = shlex.split(command)[1:]
    called = CliRunner().invoke(main, [*parts, *of_stores(stack.stores)])
    assert called.exit_code == 0, called.output
    return called.stdout


def _run(lines: Sequence[ledger.Line], name: str, played: Played) -> str:
    """Return the run that a question is about; that of `difference` failed after its job had succeeded."""
    if name == "difference":
        history = History(played.stack.stores.logs[0])
        failed = history.runs(Selection(played.since, LATEST, status="failure"), 100)
        reports = [run for run in failed if run.identity.job in fleet.JOBS]
        return next(run.identity.run_id for run in reports if history.last_success(run, played.since) is not None)
    job = RUNS.get(name, etl.JOB)
    return str(next(line["run_id"] for line in lines if line["event"] == "ended" and line["job"] == job))


def _text(page: str) -> str:
    """Return what a reader sees of a page: one line for each block, its parts separated by spaces."""
    body = page.partition("<main")[2].partition("</main>")[0].partition(">")[2]
    lines = re.sub(
        r"</(?:h\d|p|dt|dd|li|tr|figcaption|option|label|pre|summary)>",
        "\n",
        body.replace("\n", " ").replace("</td>", " "),
    )
    shown = re.sub(r"<[^>]*>", "", lines)
    return "\n".join(" ".join(line.split()) for line in html.unescape(shown).splitlines() if line.strip())
