"""The job catalogue is read strictly: every problem at once, each with its line and what to write instead."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from batchtel.catalogue.cron import Cron
from batchtel.catalogue.deadline import Deadline
from batchtel.catalogue.keys import JOB, Kind, Table
from batchtel.catalogue.reader import CatalogueError, parse, read
from batchtel.cli.jobs import START
from batchtel.cli.main import main

DEADLINE = "jobs.a.sla.must_complete_by"


def batchtel(*arguments: str | Path, **variables: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env=variables)


def problems(text: str) -> list[tuple[int, str]]:
    """Return line and message of everything that is wrong with a catalogue."""
    with pytest.raises(CatalogueError) as refused:
        parse(text)
    return [(problem.line, problem.message) for problem in refused.value.problems]


def test_every_key_of_a_job() -> None:
    """The catalogue of `init` becomes records: durations in seconds, days from Monday, the schedule's time zone."""
    jobs = read(START)
    assert list(jobs) == ["nightly_etl", "weekly_report", "hourly_aggregation"]
    nightly = jobs["nightly_etl"]
    assert nightly[:4] == ("etl", "ada@example.com", "sales", False)
    assert nightly.schedule is not None
    assert nightly.schedule == (Cron.of("30 22 * * *"), "Europe/Berlin", None)
    assert nightly.sla == (5400, Deadline((6, 0), "Europe/Berlin"), 0.01, 100_000, 26 * 3600)
    weekly = jobs["weekly_report"]
    assert weekly.sla is not None
    assert weekly.sla.must_complete_by == ((8, 0), "Europe/Berlin", frozenset({0}))
    assert (weekly.schedule, weekly.type, weekly.sla.min_records) == (None, "", None)
    hourly = jobs["hourly_aggregation"]
    assert hourly.schedule is not None
    assert (hourly.schedule.every, hourly.schedule.cron, hourly.sla) == (3600, None, None)


def test_a_deadline_without_a_zone_is_in_that_of_its_schedule() -> None:
    """The schedule's time zone, else UTC."""
    sla = "sla.must_complete_by.time = '06:00'"
    jobs = parse(f"[jobs.a]\n{sla}\nschedule = {{ cron = '@daily', timezone = 'Asia/Tokyo' }}\n[jobs.b]\n{sla}\n")
    zones = [job.sla.must_complete_by.timezone for job in jobs.values() if job.sla and job.sla.must_complete_by]
    assert zones == ["Asia/Tokyo", "UTC"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172_800), ("0.5s", 0.5), ("1d1s", 86401)]
)
def test_durations(text: str, seconds: float) -> None:
    """Numbers with units, the larger ones first."""
    sla = parse(f"[jobs.a.sla]\nmax_duration = '{text}'")["a"].sla
    assert sla is not None
    assert sla.max_duration == seconds


NO_DURATION = 'is not a duration above 0; write numbers with units, such as "90s", "1h30m" or "2d"'
NO_TIME = 'is not a time of day; write "00:00" to "23:59", in quotes'
NO_ZONE = 'is not a time zone; write for example "Europe/Berlin" or "UTC"'
NO_DAYS = 'is not a list of days; write for example ["mon", "fri"], of mon, tue, wed, thu, fri, sat, sun'
NO_SHARE = "is not a share from 0 to 1; write for example 0.01 for one record in a hundred"
NO_COUNT = "is not a whole number above 0; write for example 100_000"
NO_TEXT = 'is not a text of 1 to 120 printable characters; write for example "sales"'
NOT_USED = "is not used by this version; remove it"

MISTAKES = {
    'sla.max_duration = "0s"': f'jobs.a.sla.max_duration: "0s" {NO_DURATION}',
    'sla.max_duration = "30m1h"': f'jobs.a.sla.max_duration: "30m1h" {NO_DURATION}',
    "sla.max_duration = 90": f"jobs.a.sla.max_duration: 90 {NO_DURATION}",
    'sla.max_duration = ""': f'jobs.a.sla.max_duration: "" {NO_DURATION}',
    'sla.max_data_age = "1w"': f'jobs.a.sla.max_data_age: "1w" {NO_DURATION}',
    'sla.max_duraton = "1h"': "jobs.a.sla.max_duraton is not a key here (did you mean max_duration?)",
    "sla.max_failure_rate = 5": f"jobs.a.sla.max_failure_rate: 5 {NO_SHARE}",
    "sla.max_failure_rate = nan": f"jobs.a.sla.max_failure_rate: NaN {NO_SHARE}",
    "sla.max_failure_rate = true": f"jobs.a.sla.max_failure_rate: true {NO_SHARE}",
    "sla.min_records = 0": f"jobs.a.sla.min_records: 0 {NO_COUNT}",
    "sla.min_records = 1e3": f"jobs.a.sla.min_records: 1000.0 {NO_COUNT}",
    'sla.must_complete_by = "06:00"': f'{DEADLINE}: "06:00" is not a table; its keys are time, timezone, weekdays',
    "sla.must_complete_by = {}": f"{DEADLINE} has no time; it is needed",
    'sla.must_complete_by.time = "25:00"': f'{DEADLINE}.time: "25:00" {NO_TIME}',
    'sla.must_complete_by.time = "6:00"': f'{DEADLINE}.time: "6:00" {NO_TIME}',
    "sla.must_complete_by.time = 06:00:00": f'{DEADLINE}.time: "06:00:00" {NO_TIME}',
    'sla.must_complete_by = { time = "06:00", timezone = "Europe/Belin" }': (
        f'{DEADLINE}.timezone: "Europe/Belin" {NO_ZONE}'
    ),
    'sla.must_complete_by = { time = "06:00", timezone = "Europe" }': f'{DEADLINE}.timezone: "Europe" {NO_ZONE}',
    'sla.must_complete_by = { time = "06:00", weekdays = ["Monday"] }': f'{DEADLINE}.weekdays: ["Monday"] {NO_DAYS}',
    'sla.must_complete_by = { time = "06:00", weekdays = [] }': f"{DEADLINE}.weekdays: [] {NO_DAYS}",
    'sla.must_complete_by = { time = "06:00", weekdays = [1] }': f"{DEADLINE}.weekdays: [1] {NO_DAYS}",
    'schedule.cron = "61 * * * *"': (
        "jobs.a.schedule.cron: \"61 * * * *\" is not a cron expression: minute: '61' is not one of 0 to 59"
    ),
    "schedule = {}": 'jobs.a.schedule: needs either cron or every; write for example cron = "30 22 * * *"',
    'schedule = { cron = "@daily", every = "1h" }': (
        'jobs.a.schedule: needs either cron or every; write for example cron = "30 22 * * *"'
    ),
    'schedule = { every = "1h", timezone = "UTC" }': (
        "jobs.a.schedule: timezone has no meaning without cron; remove it"
    ),
    'schedule = { every = "1h", grace = "10m" }': f"jobs.a.schedule.grace {NOT_USED}",
    'severity = "critical"': f"jobs.a.severity {NOT_USED}",
    'paused = "yes"': 'jobs.a.paused: "yes" is not true or false',
    "team = 7": f"jobs.a.team: 7 {NO_TEXT}",
    'owner = ""': f'jobs.a.owner: "" {NO_TEXT}',
    'runbook = "https://wiki.example/nightly"': f"jobs.a.runbook {NOT_USED}",
    "colour = 1": ("jobs.a.colour is not a key here; write one of type, owner, team, paused, schedule, sla"),
}


@pytest.mark.parametrize("line", MISTAKES)
def test_each_mistake_has_its_line_and_its_cure(line: str) -> None:
    """The whole message, and the line of the statement that is wrong."""
    assert problems(f'# a catalogue\n[jobs.a]\ntype = "etl"\n\n{line}\n[jobs.b]\n') == [(5, MISTAKES[line])]


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    """Lines are those of the statements, whatever stands within and between them."""
    assert problems(
        """owner = "top"
[jobs.a]
owner = \"\"\"
[jobs.fake]
\"\"\"
[ jobs . "b c" ] # a header may look like this
sla = { max_duration = "1h", min_record = 1 }
schedule.every = "often"

[jobs.c.sla.must_complete_by]
time = "06:00"

weekdays = [
  "mon",
  # a comment
  "someday",
]
timezone = "Mars"
[jobs."new\\nline"]
[jobs]
d = 3
"""
    ) == [
        (1, "owner is not a key of a catalogue; write one of jobs"),
        (3, f'jobs.a.owner: "[jobs.fake]\\n" {NO_TEXT}'),
        (7, 'jobs."b c".sla.min_record is not a key here (did you mean min_records?)'),
        (8, f'jobs."b c".schedule.every: "often" {NO_DURATION}'),
        (13, f'jobs.c.sla.must_complete_by.weekdays: ["mon", "someday"] {NO_DAYS}'),
        (18, f'jobs.c.sla.must_complete_by.timezone: "Mars" {NO_ZONE}'),
        (19, 'jobs."new\\nline" is not a name of a job: write 1 to 1024 bytes of printable characters'),
        (
            21,
            "jobs.d: 3 is not a table; its keys are type, owner, team, paused, schedule, sla",
        ),
    ]


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("position", range(6))
def test_a_line_is_found_between_long_values(rows: int, position: int) -> None:
    """Whatever the number of lines of the values around it: a file cannot be cut within one."""
    long = [f'owner = """ada@example.com/{number}' + "\\\n" * rows + '"""' for number in range(6)]
    tables = [f"[jobs.job_{number}]\n{text}\n" for number, text in enumerate(long)]
    tables[position] += "team = 7\n"
    text = "".join(tables)
    line = text[: text.index("team")].count("\n") + 1
    assert problems(text) == [(line, f"jobs.job_{position}.team: 7 {NO_TEXT}")]


def test_windows_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    """A file from Windows has the same lines; what else Unicode ends lines with is no end of a line in TOML."""
    file = tmp_path / "jobs.toml"
    file.write_bytes(b'\xef\xbb\xbf[jobs.a] # \xe2\x80\xa8\r\ntype = "etl"\r\nteam = 7\r\n')
    with pytest.raises(CatalogueError) as refused:
        read(file)
    assert refused.value.problems == ((3, f"jobs.a.team: 7 {NO_TEXT}"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[jobs.a]\ntype = etl\n", (2, "not TOML: Invalid value (column 8)")),
        ("[jobs.a]\n[jobs.a]\n", (2, "not TOML: Cannot declare ('jobs', 'a') twice (column 8)")),
        ("[jobs.a]\ntype = '''etl\n\n", (2, "not TOML: Expected \"'''\" (at the end)")),
    ],
)
def test_what_is_not_toml(text: str, problem: tuple[int, str]) -> None:
    """The parser's own message, with line and column."""
    assert problems(text) == [problem]


def test_what_is_not_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 have a line, too."""
    file = tmp_path / "jobs.toml"
    file.write_bytes(b'[jobs.a]\nteam = "M\xfcnchen"\n')
    with pytest.raises(CatalogueError) as refused:
        read(file)
    assert refused.value.problems == ((2, "not UTF-8 text; save the file as UTF-8"),)


def test_a_long_catalogue_finds_its_line() -> None:
    """Lines are looked for by halves: 3,000 jobs need no longer wait."""
    text = "".join(f'[jobs.job_{number}]\nteam = "a"\n\n' for number in range(3000))
    wrong = text.replace('[jobs.job_2500]\nteam = "a"', "[jobs.job_2500]\nteam = 1")
    assert problems(wrong) == [(7502, f"jobs.job_2500.team: 1 {NO_TEXT}")]


USABLE = """
[jobs.good]
team = "a"
[jobs.good.sla]
min_records = 7
[jobs.bad]
type = "etl"
team = "b"
owner = 1
[jobs.bad.sla]
min_records = 8
[jobs.worse]
sla.max_duration = "often"
team = "c"
[jobs.wide]
severity = "critical"
schedule = { every = "1h", grace = "10m" }
sla.min_records = 9
[jobs.last.sla]
min_records = 10
"""


def test_a_wrong_entry_costs_its_own_job_the_sla() -> None:
    """Every other job keeps its own; a wrong one keeps its valid keys but no SLA; an unused key costs nothing."""
    with pytest.raises(CatalogueError) as refused:
        parse(USABLE)
    jobs = refused.value.jobs
    assert {name: job.sla and job.sla.min_records for name, job in jobs.items()} == {
        "good": 7,
        "bad": None,
        "worse": None,
        "wide": 9,
        "last": 10,
    }
    assert (jobs["bad"].type, jobs["bad"].team, jobs["bad"].owner, jobs["worse"].team) == ("etl", "b", "", "c")
    assert {name: len(problems) for name, problems in refused.value.of_jobs.items()} == {
        "bad": 1,
        "worse": 1,
        "wide": 2,
    }


@pytest.mark.parametrize(
    "broken",
    [
        "[jobs.bad]\ntype = etl\n",
        "[jobs.bad.sla]\nmin_records = 1_\n",
        "[jobs.bad]\nteam = 'a'\n[jobs.bad]\nteam = 'b'\n",
        '[jobs.bad]\nteam = """a\n\n',
        "[jobs.bad\nteam = 'a'\n",
        "[jobs.bad] team = 'a'\n",
        "[jobs.bad]\nsla.min_records = 1\n[jobs.bad.sla]\nmin_records = 2\n",
        "[jobs.bad]\nteam = 'M\udcfcnchen'\n",
    ],
)
def test_a_section_that_is_not_toml_costs_no_other_job_its_sla(tmp_path: Path, broken: str) -> None:
    """Whatever stands in it, and where: the jobs before and behind it keep their SLA."""
    good = "[jobs.{}]\nteam = 'x'\nsla.min_records = {}\n"
    a, b = good.format("a", 1), good.format("b", 2)
    file = tmp_path / "jobs.toml"
    for text in (broken + a + b, a + broken + b, a + b + broken):
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(CatalogueError) as refused:
            read(file)
        jobs = refused.value.jobs
        assert {name: job.sla and job.sla.min_records for name, job in jobs.items()} == {"a": 1, "b": 2}
        assert set(refused.value.of_jobs) <= {"bad"}


def test_check_accepts_a_valid_catalogue(tmp_path: Path) -> None:
    """Exit code 0; the file is the one given, else that of BATCHTEL_CATALOGUE."""
    file = tmp_path / "mine.toml"
    file.write_text("[jobs.a]\n[jobs.b.sla]\nmin_records = 1\n")
    for result in (batchtel("jobs", "check", file), batchtel("jobs", "check", BATCHTEL_CATALOGUE=str(file))):
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == f"{file} is valid: 2 jobs, 1 with an SLA\n"
    shown = batchtel("jobs", "check", file, "--json")
    assert shown.exit_code == 0
    assert json.loads(shown.stdout) == {"ok": True, "file": str(file), "jobs": ["a", "b"], "problems": []}


def test_check_names_all_problems(tmp_path: Path) -> None:
    """Exit code 1, one line a problem, as file:line: message; the same as JSON."""
    file = tmp_path / "mine.toml"
    file.write_text("[jobs.a]\nteam = 7\n[jobs.b.sla]\nmin_records = 0\n")
    result = batchtel("jobs", "check", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: 2 problems in the catalogue {file}\n"
        f"  {file}:2: jobs.a.team: 7 {NO_TEXT}\n"
        f"  {file}:4: jobs.b.sla.min_records: 0 {NO_COUNT}\n"
    )
    shown = batchtel("jobs", "check", file, "--json")
    assert shown.exit_code == 2
    assert json.loads(shown.stdout) == {
        "ok": False,
        "file": str(file),
        "jobs": [],
        "problems": [
            {"line": 2, "message": f"jobs.a.team: 7 {NO_TEXT}"},
            {"line": 4, "message": f"jobs.b.sla.min_records: 0 {NO_COUNT}"},
        ],
    }


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "[jobs]\n"])
def test_check_refuses_a_catalogue_without_jobs(tmp_path: Path, text: str) -> None:
    """An empty file is a mistake, such as a template that rendered to nothing."""
    file = tmp_path / "empty.toml"
    file.write_text(text)
    problem = "there are no jobs; write a section for each, for example [jobs.nightly_etl]"
    result = batchtel("jobs", "check", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: 1 problem in the catalogue {file}\n  {file}:1: {problem}\n"
    shown = batchtel("jobs", "check", file, "--json")
    assert (shown.exit_code, json.loads(shown.stdout)["problems"]) == (2, [{"line": 1, "message": problem}])


def test_check_names_the_file_of_standard_input() -> None:
    """`-` is a file name here, as everywhere else."""
    assert batchtel("jobs", "check", "-").stderr == (
        "error: cannot read the catalogue -: No such file or directory; standard input is the file /dev/stdin: "
        "batchtel jobs check /dev/stdin\n"
    )


def test_check_needs_time_zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no zone can be looked up, the check has not passed; exit code 3. UTC is there always."""
    file = tmp_path / "mine.toml"
    monkeypatch.setattr("batchtel.catalogue.zones._lookup", lambda name: None)
    for where in (
        "schedule = { cron = '@daily', timezone = 'Mars/Base' }",
        "sla.must_complete_by = { time = '06:00', timezone = 'Mars/Base' }",
    ):
        file.write_text(f"[jobs.a]\n{where}\n")
        result = batchtel("jobs", "check", file)
        assert result.exit_code == 3
        assert result.stderr == (
            f"error: cannot check the time zones of {file}: "
            "this machine has no time zone database; install the package tzdata (apt, apk or pip)\n"
        )
    file.write_text("[jobs.a]\nschedule.cron = '@daily'\n")
    assert batchtel("jobs", "check", file).exit_code == 0


def test_init_writes_a_catalogue_that_check_accepts(tmp_path: Path) -> None:
    """It shows every key there is, and is never written over another file; without it `check` names the command."""
    file = tmp_path / "jobs.toml"
    missing = batchtel("jobs", "check", file)
    assert missing.exit_code == 2
    assert missing.stderr == (
        f"error: cannot read the catalogue {file}: No such file or directory; begin one with `batchtel jobs init`\n"
    )
    begun = batchtel("jobs", "init", file)
    assert (begun.exit_code, begun.stderr) == (0, "")
    assert begun.stdout == f"wrote {file}; jobs read it with BATCHTEL_CATALOGUE={file}\n"
    assert batchtel("jobs", "check", file).exit_code == 0
    names = set(re.findall(r"\w+", file.read_text()))
    assert set(_keys(JOB)) <= names

    again = batchtel("jobs", "init", file)
    assert again.exit_code == 2
    assert again.stderr == f"error: {file} is there already; name another file, or remove it\n"
    nowhere = batchtel("jobs", "init", tmp_path / "no" / "jobs.toml")
    assert nowhere.exit_code == 2
    assert nowhere.stderr == (
        f"error: cannot write {tmp_path}/no/jobs.toml: the folder {tmp_path}/no does not exist; "
        f"make it: mkdir -p {tmp_path}/no\n"
    )


def _keys(table: Table) -> list[str]:
    inner = [_keys(kind) for kind, _ in table.keys.values() if not isinstance(kind, Kind)]
    return [*table.keys, *(key for keys in inner for key in keys)]


BEYOND_SCHEMA = ("Europe", "61 * * * *", "nan", "1e3")
"""What the schema cannot check: which time zones there are, cron expressions, and how TOML writes a number."""


def test_the_schema_agrees_with_the_reader() -> None:
    """It accepts what is valid, and refuses every mistake but those that need knowledge of zones and cron."""
    shown = json.loads(batchtel("jobs", "schema").stdout)
    validator = Draft202012Validator(shown)
    validator.check_schema(shown)
    assert list(validator.iter_errors(tomllib.loads(START.read_text()))) == []
    accepted = [line for line in MISTAKES if validator.is_valid(tomllib.loads(f"[jobs.a]\n{line}"))]
    assert [line for line in accepted if not any(part in line for part in BEYOND_SCHEMA)] == []
    assert accepted != []
