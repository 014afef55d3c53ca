"""The command `batchtel` itself: its tree of commands, and its errors for names that are not there."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner, Result

from batchtel.cli.main import main
from batchtel.cli.parameters import Seconds
from batchtel.cli.unknown import OF_OTHERS, RENAMED
from tests.instrumentation.command_tree import GROUPS, LEAVES

TREE = [
    "alerts alertmanager",
    "alerts list",
    "alerts rules",
    "config check",
    "config environments",
    "config render",
    "config schema",
    "config variables",
    "dashboards build",
    "dashboards check",
    "dashboards publish",
    "demo",
    "doctor",
    "jobs check",
    "jobs init",
    "jobs list",
    "jobs schema",
    "jobs show",
    "run",
    "runs compare",
    "runs list",
    "runs show",
    "spool list",
    "spool send",
    "stack build",
    "stack down",
    "stack logs",
    "stack status",
    "stack up",
    "ui",
]
"""Every command. These are public names: people type them and write them into scripts."""


def batchtel(*arguments: str) -> Result:
    """Call the command in this process."""
    return CliRunner().invoke(main, list(arguments))


def test_the_commands_are_those_of_the_table() -> None:
    """A command that is added, renamed or removed changes the table, and then the changelog."""
    assert sorted(LEAVES) == TREE
    assert sorted(GROUPS) == sorted({name.split()[0] for name in TREE if " " in name})


@pytest.mark.parametrize(
    ("typed", "next_step"),
    [
        ("rnu", "batchtel has no command 'rnu'; did you mean `batchtel run`?"),
        ("doc", "batchtel has no command 'doc'; did you mean `batchtel doctor`?"),
        ("xyz", "batchtel has no command 'xyz'; `batchtel --help` lists them"),
        ("variables", "batchtel has no command 'variables'; did you mean `batchtel config variables`?"),
        (
            "schema",
            "batchtel has no command 'schema'; did you mean `batchtel jobs schema` or `batchtel config schema`?",
        ),
        ("stack statsu", "batchtel stack has no command 'statsu'; did you mean `batchtel stack status`?"),
        (
            "config env",
            "batchtel config has no command 'env'; did you mean `batchtel config variables` or "
            "`batchtel config environments`?",
        ),
        ("config list", "batchtel config has no command 'list'; did you mean `batchtel config environments`?"),
        ("stack start", "batchtel stack has no command 'start'; did you mean `batchtel stack up`?"),
        ("stack stop", "batchtel stack has no command 'stop'; did you mean `batchtel stack down`?"),
        ("stack ps", "batchtel stack has no command 'ps'; did you mean `batchtel stack status`?"),
        ("start", "batchtel has no command 'start'; did you mean `batchtel stack up`?"),
        ("jobs status", "batchtel jobs has no command 'status'; did you mean `batchtel stack status`?"),
        ("jobs xyz", "batchtel jobs has no command 'xyz'; `batchtel jobs --help` lists them"),
    ],
)
def test_an_unknown_command_names_the_nearest(typed: str, next_step: str) -> None:
    """It exits with 2, and standard output stays empty."""
    result = batchtel(*typed.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {next_step}\n"


@pytest.mark.parametrize(
    ("typed", "now"),
    [
        (["up"], "`batchtel up` is now `batchtel stack up`; type: batchtel stack up"),
        (
            ["up", "--data", "my stack"],
            "`batchtel up` is now `batchtel stack up`; type: batchtel stack up --data 'my stack'",
        ),
        (["up", "--help"], "`batchtel up` is now `batchtel stack up`; type: batchtel stack up --help"),
        (["status", "--json"], "`batchtel status` is now `batchtel stack status`; type: batchtel stack status --json"),
        (["logs", "jaeger"], "`batchtel logs` is now `batchtel stack logs`; type: batchtel stack logs jaeger"),
        (["down"], "`batchtel down` is now `batchtel stack down`; type: batchtel stack down"),
        (
            ["render", "--env", "local", "-o", "a b/"],
            "`batchtel render` is now `batchtel config render`; type: batchtel config render --env local -o 'a b/'",
        ),
        (["check"], "`batchtel check` is now `batchtel config check`; type: batchtel config check"),
        (
            ["env", "--env", "ci"],
            "`batchtel env` is now `batchtel config variables`; type: batchtel config variables --env ci",
        ),
        (
            ["environments"],
            "`batchtel environments` is now `batchtel config environments`; type: batchtel config environments",
        ),
        (
            ["environments", "list", "--json"],
            "`batchtel environments list` is now `batchtel config environments`; "
            "type: batchtel config environments --json",
        ),
        (
            ["environments", "show", "ci", "--origin"],
            "`batchtel environments show` is now `batchtel config environments`; "
            "type: batchtel config environments ci --origin",
        ),
        (
            ["environments", "schema"],
            "`batchtel environments schema` is now `batchtel config schema`; type: batchtel config schema",
        ),
        (["catalogue"], "`batchtel catalogue` is now `batchtel jobs`; type: batchtel jobs"),
        (
            ["catalogue", "check", "deploy/jobs.toml"],
            "`batchtel catalogue` is now `batchtel jobs`; type: batchtel jobs check deploy/jobs.toml",
        ),
    ],
)
def test_a_former_command_names_the_new_one(typed: list[str], now: str) -> None:
    """With the arguments that were given, quoted for a shell; nothing runs, and the exit code is 2."""
    result = batchtel(*typed)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {now}\n")


def test_former_commands_lead_to_commands_and_are_not_listed() -> None:
    """Each new spelling is in the tree; `batchtel --help` has none of the former ones."""
    listed = [
        line.split()[0] for line in batchtel("--help").stdout.partition("\nCommands")[2].splitlines() if line.strip()
    ]
    assert {"run", "stack", "config"} <= set(listed)
    for found in OF_OTHERS.values():
        assert all(" ".join(one.split()[:2]) in TREE for one in found), found
    for old, new in RENAMED.items():
        assert " ".join(new) in {*TREE, *GROUPS}, old
        assert old[0] not in listed


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("run", "`batchtel run` needs -- COMMAND [ARGUMENT]...; for example: batchtel run -- ./nightly.sh"),
        ("run --jbo x -- true", "`batchtel run` has no option --jbo; did you mean --job?"),
        ("run --zzz -- true", "`batchtel run` has no option --zzz; `batchtel run --help` lists them"),
        ("run --attempt", "--attempt needs a value, NUMBER; `batchtel run --help` describes it"),
        (
            "run --attempt 0 -- true",
            "--attempt: 0 is not a whole number of 1 or more; `batchtel run --help` describes it",
        ),
        (
            "run --attribute region -- true",
            "--attribute: 'region' is not KEY=VALUE; write for example --attribute region=eu",
        ),
        *(
            (
                f"spool send --every {given}",
                f"--every: {shown} is not a number of seconds above 0, at most 31536000; "
                "for example: batchtel spool send --every 30",
            )
            for given, shown in (
                ("0", "0.0"),
                ("soon", "'soon'"),
                ("nan", "nan"),
                ("inf", "inf"),
                ("1e300", "1e+300"),
            )
        ),
        *(
            (
                f"doctor --timeout {given}",
                f"--timeout: {given} is not a number of seconds of 1 or more, at most 31536000; "
                "for example: batchtel doctor --timeout 120 --json",
            )
            for given in ("nan", "inf", "-inf", "0.5")
        ),
        (
            "spool list /etc/passwd",
            "FOLDER: /etc/passwd is a file, not a folder; for example: batchtel spool list",
        ),
        (
            "stack status --data /etc/passwd",
            "--data: /etc/passwd is a file, not a folder; `batchtel stack status --help` describes it",
        ),
        (
            "jobs schema all",
            "`batchtel jobs schema` accepts no argument all; for example: batchtel jobs schema > jobs.schema.json",
        ),
        (
            "jobs check --json=yes",
            "--json has no value; write --json alone",
        ),
        ("--verison", "`batchtel` has no option --verison; did you mean --version?"),
        ("stack --dta x up", "`batchtel stack` has no option --dta; `batchtel stack --help` lists them"),
        (
            "config render",
            "`batchtel config render` needs --env NAME|FILE; for example: batchtel config render --env local",
        ),
        (
            "config render --env",
            "--env needs a value, NAME|FILE; for example: batchtel config render --env local",
        ),
        (
            "config render --env local --role agnet",
            "--role: 'agnet' is not standalone, agent or gateway; did you mean agent?",
        ),
        (
            "stack logs prom",
            "PROGRAM: 'prom' is not prometheus, alertmanager, victorialogs, jaeger, collector or ui; "
            "did you mean prometheus?",
        ),
        (
            "stack logs -n few",
            "--lines: 'few' is not a whole number of 0 or more; for example: batchtel stack logs collector -n 100",
        ),
        (
            "stack build all",
            "PROGRAM: 'all' is not victorialogs, collector, prometheus, alertmanager or jaeger; "
            "for example: batchtel stack build",
        ),
        (
            "config environments --origin",
            "--origin needs an environment; write: batchtel config environments NAME --origin",
        ),
    ],
)
def test_a_wrong_option_or_argument_names_what_to_type(typed: str, error: str) -> None:
    """One line that begins with `error: `, as every other error; exit code 2, and standard output stays empty."""
    result = batchtel(*typed.split())
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {error}\n")


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        (["spool", "list", ""], "FOLDER: '' is empty; for example: batchtel spool list"),
        (["jobs", "check", ""], "FILE: '' is empty; for example: batchtel jobs check"),
        (["stack", "up", "--data", ""], "--data: '' is empty; for example: batchtel stack up --data ./stack"),
    ],
)
def test_an_empty_value_is_refused(typed: list[str], error: str) -> None:
    """As of a variable that is not set: it is neither the default nor the current folder."""
    result = batchtel(*typed)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {error}\n")


def test_every_number_of_seconds_is_checked() -> None:
    """No option has a type of click's that accepts `nan` and `inf`."""
    options = [parameter for command in LEAVES.values() for parameter in command.params]
    floats = [one for one in options if isinstance(one.type, (click.types.FloatParamType, click.FloatRange))]
    assert floats
    assert all(isinstance(one.type, Seconds) for one in floats)


def test_the_command_is_named_as_it_is_typed() -> None:
    """Whatever the program's file is called, here `-c`."""
    code = "from batchtel.cli.main import main; main()"
    ended = subprocess.run([sys.executable, "-c", code, "spool", "sned"], capture_output=True, text=True, check=False)
    assert ended.stderr == "error: batchtel spool has no command 'sned'; did you mean `batchtel spool send`?\n"


def test_a_command_loads_nothing_of_the_others() -> None:
    """`batchtel run` starts its command before telemetry is loaded; help needs neither, nor an extra."""
    others = {"opentelemetry", "batchtel_collector", "batchtel_stack", "difflib", "pydantic", "rich"}
    code = (
        "import sys; from batchtel.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('loaded', sorted({others!r} & set(sys.modules)))\n"
    )
    for arguments in (["run", "--help"], ["--help"], ["stack", "--help"], ["config", "--help"], ["jobs", "--help"]):
        ended = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, ""), arguments
        assert ended.stdout.endswith("loaded []\n"), arguments
