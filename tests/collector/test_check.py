"""`batchtel config check` and `batchtel config render` with a real collector: exit codes and whole messages."""

from __future__ import annotations

import json
import re
import shutil
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from batchtel.cli.main import main
from batchtel_collector.check import collector_binary, problems
from batchtel_collector.check.secrets import secrets_in
from batchtel_collector.check.series_budget import budget
from batchtel_collector.environment.layers import SHIPPED
from batchtel_collector.environment.load import load
from batchtel_collector.environment.role_variants import Variant, variants
from batchtel_collector.render.configuration import render

STORES = ("prometheus", "victorialogs", "jaeger")
LOCAL = (SHIPPED / "local.yaml").read_text(encoding="utf-8")


def batchtel(*arguments: str | Path) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("variant", variants(), ids=lambda variant: variant.stem)
def test_shipped_environments_are_valid(variant: Variant, collector_program: Path) -> None:
    """The real collector would start with each of them in each role; exit code 0."""
    result = batchtel(
        "config", "check", "--env", variant.name, "--role", variant.role, "--collector", collector_program
    )
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(
        f"{variant.stem}: OK; {collector_program} (batchtel-collector version 0.159.0) accepts its configuration"
    )


def test_without_arguments_every_shipped_environment_is_checked(collector_program: Path) -> None:
    """One line for each environment and role."""
    result = batchtel("config", "check", "--collector", collector_program)
    assert result.exit_code == 0
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == [variant.stem for variant in variants()]


def test_json_has_the_same(collector_program: Path) -> None:
    """One document on standard output, and nothing else there; figures are those of the text."""
    result = batchtel("config", "check", "--env", "production", "--collector", collector_program, "--json")
    assert result.exit_code == 0
    series = budget(load("production"))
    assert json.loads(result.stdout) == {
        "ok": True,
        "collector": str(collector_program),
        "environments": [
            {"environment": "production", "role": "agent", "problems": [], "budget": None},
            {
                "environment": "production",
                "role": "gateway",
                "problems": [],
                "budget": {
                    "sums_per_job": series.sums,
                    "series_per_job": series.series,
                    "steps_per_job": 5,
                    "sums_per_step": series.sums_of_step,
                    "series_limit": 50000,
                    "room_for_jobs": (50000 - series.others) // series.sums,
                },
            },
        ],
    }
    text = batchtel(
        "config", "check", "--env", "production", "--role", "gateway", "--collector", collector_program
    ).stdout
    assert text.endswith(
        f"; a job has up to {series.sums} of 50000 sums and maxima and {series.series} series (5 steps of up to "
        f"{series.sums_of_step}, Airflow's own metrics), "
        f"so there is room for {series.room} jobs\n"
    )


@pytest.mark.parametrize("role", ["standalone", "gateway"])
@pytest.mark.parametrize("missing", [*combinations(STORES, 1), *combinations(STORES, 2), STORES], ids="-".join)
def test_a_vendor_replaces_any_store(missing: tuple[str, ...], role: str, collector_program: Path) -> None:
    """Whichever stores there are beside it, what is rendered is a configuration."""
    changes: dict[str, object] = dict.fromkeys(missing)
    vendor = {"vendor": {"endpoint": "https://otlp.example.com"}}
    assert problems.problems_of(load("local", changes | vendor, role=role), collector_program) == []


def test_more_jobs_than_the_limit_has_room_for_are_reported(collector_program: Path, tmp_path: Path) -> None:
    """The expected jobs times the sums that one can have; exit code 1."""
    mine = tmp_path / "mine.yaml"
    named = "unknown_jobs: other\ncatalogue: ./jobs.toml\n"
    mine.write_text(f"base: local\nname: mine\n{named}series_limit: 300\n", encoding="utf-8")
    (tmp_path / "jobs.toml").write_text("[jobs.a]\n[jobs.b]\n", encoding="utf-8")
    result = batchtel("config", "check", "--env", mine, "--collector", collector_program)
    sums, step = budget(load("local")).sums, budget(load("local")).sums_of_step
    assert (result.exit_code, result.stderr) == (
        1,
        f"error: the configuration of mine is not valid (checked with {collector_program}):\n"
        f"  series_limit: 3 jobs of up to {sums} sums and maxima (5 steps of up to {step}) need {3 * sums}, more "
        f"than 300; write series_limit: {3 * sums}, or fewer jobs\n",
    )


def test_many_tasks_of_airflow_are_more_than_the_shipped_limit(collector_program: Path, tmp_path: Path) -> None:
    """50 DAGs of 200 tasks each: `check` reports it, and accepts the limit that it names."""
    mine = tmp_path / "mine.yaml"
    text = "base: local\nname: mine\nairflow_metrics: true\nexpected: {{jobs: 50, steps: 200}}\nseries_limit: {}\n"
    mine.write_text(text.format(50000), encoding="utf-8")
    result = batchtel("config", "check", "--env", mine, "--collector", collector_program)
    assert result.exit_code == 1
    found = re.search(
        r"series_limit: 50 jobs of up to (\d+) sums and maxima \(200 steps of up to \d+, Airflow's own metrics\) need "
        r"(\d+), more than 50000; write series_limit: (\d+), or fewer jobs\n$",
        result.stderr,
    )
    assert found is not None, result.stderr
    assert 50 * int(found[1]) <= int(found[2]) == int(found[3])
    mine.write_text(text.format(found[3]), encoding="utf-8")
    accepted = batchtel("config", "check", "--env", mine, "--collector", collector_program)
    assert (accepted.exit_code, "room for 50 jobs" in accepted.stdout) == (0, True)


SECRETS = {
    "exporters.kafka.auth.password": {"exporters": {"kafka": {"auth": {"password": "hunter2"}}}},
    "exporters.otlp.headers.x-key": {"exporters": {"otlp": {"headers": {"x-key": "ghp_" + "a" * 36}}}},
    "exporters.otlp.endpoint": {"exporters": {"otlp": {"endpoint": "https://me:hunter2@example.com"}}},
    "exporters.otlp.headers.Authorization": {
        "exporters": {"otlp": {"headers": {"Authorization": "Basic aHVudGVyMjpodW50ZXIy"}}}
    },
}


@pytest.mark.parametrize("place", SECRETS)
def test_a_secret_in_the_overrides_is_reported_and_not_repeated(
    place: str, collector_program: Path, tmp_path: Path
) -> None:
    """By the name of the setting or by its shape; the message has neither."""
    (tmp_path / "overrides.yaml").write_text(json.dumps(SECRETS[place]), encoding="utf-8")
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: local\nname: mine\noverrides: ./overrides.yaml\n", encoding="utf-8")
    result = batchtel("config", "check", "--env", mine, "--collector", collector_program)
    assert result.exit_code == 2
    message = f'{place} holds what looks like a secret; write "${{env:NAME}}" in its place'
    assert re.search(rf"^  {tmp_path}/overrides.yaml:1:\d+: {re.escape(message)}$", result.stderr, re.MULTILINE)
    for secret in ("hunter2", "ghp_a", "aHVudGVyM"):
        assert secret not in result.output


@pytest.mark.parametrize("variant", variants(), ids=lambda variant: variant.stem)
def test_references_are_no_secrets(variant: Variant) -> None:
    """What is shipped refers to its credentials and holds none."""
    assert secrets_in(render(variant.environment())) == []
    text = 'exporters: {otlp: {headers: {Authorization: "Bearer ${env:TOKEN}"}, auth: {token: "/etc/token"}}}'
    assert secrets_in(text) == []


def test_what_the_collector_refuses_is_traced_to_the_environment(collector_program: Path, tmp_path: Path) -> None:
    """A queue folder below a file passes the model; only the collector can see it. Exit code 1."""
    (tmp_path / "file").touch()
    mine = tmp_path / "mine.yaml"
    mine.write_text(LOCAL.replace("${env:HOME}/.local", f"{tmp_path}/file"), encoding="utf-8")
    result = batchtel("config", "check", "--env", mine, "--collector", collector_program)
    folder = f"{tmp_path}/file/state/batchtel/queue"
    assert result.stderr == (
        f"error: the configuration of local is not valid (checked with {collector_program}):\n"
        f"  extensions::file_storage/queue: problem accessing configured directory: {folder}, "
        f"err: stat {folder}: not a directory; the environment decides this by queue.folder\n"
    )
    assert result.exit_code == 1
    as_json = json.loads(batchtel("config", "check", "--env", mine, "--collector", collector_program, "--json").stdout)
    assert as_json["ok"] is False
    (problem,) = as_json["environments"][0]["problems"]
    assert problem == {"message": problem["message"], "file": None, "line": None, "column": None}
    assert problem["message"] in result.stderr


def test_a_wrong_file_has_not_passed_the_check(tmp_path: Path) -> None:
    """The problems carry their places, in JSON too; exit code 2, and no collector is needed."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(LOCAL.replace("name: local", "name: NO"), encoding="utf-8")
    result = batchtel("config", "check", "--env", mine)
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: 1 problem in the environment {mine}\n"
        f'  {mine}:5:7: name: NO is read as false in YAML; write "NO" in quotes for text, or true or false\n',
    )
    result = batchtel("config", "check", "--env", mine, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "ok": False,
        "collector": None,
        "environments": [
            {
                "environment": str(mine),
                "role": "standalone",
                "budget": None,
                "problems": [
                    {
                        "message": 'name: NO is read as false in YAML; write "NO" in quotes for text, or true or false',
                        "file": str(mine),
                        "line": 5,
                        "column": 7,
                    }
                ],
            }
        ],
    }


def test_every_role_is_checked_though_one_is_wrong(tmp_path: Path) -> None:
    """What is wrong in each role is reported at once, and what is wrong in all of them only once."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: production\nname: mine\nexport_interval: 5\n", encoding="utf-8")
    both = batchtel("config", "check", "--env", mine)
    assert (both.exit_code, both.stderr.count("error: 1 problem"), both.stderr.count("export_interval: 5 is not")) == (
        2,
        1,
        1,
    )
    mine.write_text(
        "base: production\nname: mine\nroles: {agent: {export_interval: 5}, gateway: {expiry: 5}}\n", encoding="utf-8"
    )
    each = batchtel("config", "check", "--env", mine)
    assert each.exit_code == 2
    assert "export_interval: 5 is not" in each.stderr
    assert "expiry: 5 is not" in each.stderr


def test_overrides_that_cannot_be_read_are_a_problem_of_the_environment(
    collector_program: Path, tmp_path: Path
) -> None:
    """The check has not passed, exit code 2, and the file is named in JSON too."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: local\nname: mine\noverrides: ./none.yaml\n", encoding="utf-8")
    result = batchtel("config", "check", "--env", mine, "--collector", collector_program)
    overrides = tmp_path / "none.yaml"
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: 1 problem in the overrides {overrides}\n  {overrides}: cannot be read: No such file or directory\n",
    )
    as_json = batchtel("config", "check", "--env", mine, "--collector", collector_program, "--json")
    assert as_json.exit_code == 2
    assert json.loads(as_json.stdout)["environments"][0]["problems"] == [
        {"message": "cannot be read: No such file or directory", "file": str(overrides), "line": None, "column": None}
    ]


@pytest.mark.parametrize(
    ("name", "answer"),
    [("true", "accepts"), ("grep", "answers \"{path}: unrecognized option '--config'\" to")],
)
def test_a_program_that_is_not_a_collector_is_rejected(name: str, answer: str) -> None:
    """It has to reject an invalid configuration, with the name of what is wrong; exit code 3."""
    path = shutil.which(name)
    result = batchtel("config", "check", "--env", "local", "--collector", str(path))
    assert (result.exit_code, result.stdout, result.stderr) == (
        3,
        "",
        f"error: {path} {answer.format(path=path)} a configuration that every collector rejects, so its other answers "
        "have no meaning; name a collector with --collector FILE\n",
    )


def test_a_collector_without_a_component_is_named_with_its_version(
    collector_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first unknown component of each section is reported, with the version that is needed."""

    def older(environment: object) -> str:
        return (
            "receivers: {nowhere: {}}\nexporters: {debug: {}}\nextensions: {nothing: {}}\n"
            "service: {pipelines: {logs: {receivers: [nowhere], exporters: [debug]}}}\n"
        )

    monkeypatch.setattr(problems, "render", older)
    found = problems.problems_of(load("local"), collector_program)
    assert len(found) == 2
    for problem in found:
        assert "unknown type:" in problem
        assert problem.endswith(
            f"{collector_program} is batchtel-collector version 0.159.0, the configuration is made for the components "
            "of contrib 0.159.0: name such a collector with --collector FILE"
        )


def test_a_collector_without_run_rollup_is_named_with_both_ways_out(
    collector_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the official image is: batchtel's own collector, or the engine that the image has."""
    answer = '\'processors\' unknown type: "run_rollup" for id: "run_rollup" (valid values: [batch filter])'
    monkeypatch.setattr(collector_binary, "validation_errors", lambda *_: [answer])
    assert problems.problems_of(load("local"), collector_program) == [
        f"{answer}; {collector_program} is batchtel-collector version 0.159.0, and run_rollup is in the collector of "
        "`batchtel stack build` only: name that one with --collector FILE, or write aggregation: stock"
    ]


def test_a_collector_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    """A wrong path is reported with the option that corrects it; exit code 3."""
    result = batchtel("config", "check", "--env", "local", "--collector", tmp_path / "none")
    assert (result.exit_code, result.stderr) == (
        3,
        f"error: cannot run the collector {tmp_path}/none: No such file or directory; "
        "name another one with --collector FILE\n",
    )


def test_no_collector_anywhere_is_reported_with_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither built nor on PATH; exit code 3."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    result = batchtel("config", "check", "--env", "local")
    assert (result.exit_code, result.stderr) == (
        3,
        f"error: no collector found: none built in {tmp_path}/batchtel/bin, and no otelcol-batchtel, otelcol-contrib "
        "or otelcol on PATH; build one with `batchtel stack build`, or name one with --collector FILE\n",
    )


def test_the_built_collector_comes_before_one_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `batchtel stack build` has built is of the right version; what is on PATH may be of any."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    installed = tmp_path / "otelcol-contrib"
    installed.touch(mode=0o755)
    assert collector_binary.find() == installed
    built = tmp_path / "batchtel" / "bin" / "collector-0" / "collector"
    built.parent.mkdir(parents=True)
    built.touch(mode=0o755)
    assert collector_binary.find() == built


def test_render_writes_the_same_to_a_file(tmp_path: Path) -> None:
    """-o writes what would be printed, and reports where."""
    output = tmp_path / "collector.yaml"
    result = batchtel("config", "render", "--env", "local", "-o", output)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"wrote {output}\n")
    assert output.read_text(encoding="utf-8") == batchtel("config", "render", "--env", "local").stdout


def test_render_into_a_folder_gives_each_role_its_file(tmp_path: Path) -> None:
    """The names are those of the committed files; a role without a committed file has a name of its own."""
    for role in ("agent", "gateway"):
        assert batchtel("config", "render", "--env", "production", "--role", role, "-o", tmp_path).exit_code == 0
    assert batchtel("config", "render", "--env", "local", "--role", "gateway", "-o", tmp_path).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "local-gateway.yaml",
        "production-agent.yaml",
        "production-gateway.yaml",
    ]
    committed = SHIPPED.parent / "rendered" / "production-agent.yaml"
    assert (tmp_path / "production-agent.yaml").read_text() == committed.read_text()


def test_render_compares_with_what_is_there(tmp_path: Path) -> None:
    """--check reports whether a file is current, --diff also what would change; neither writes. Exit codes 0 and 1."""
    output = tmp_path / "collector.yaml"
    batchtel("config", "render", "--env", "local", "-o", output)
    assert batchtel("config", "render", "--env", "local", "-o", output, "--check").exit_code == 0
    assert batchtel("config", "render", "--env", "local", "-o", output, "--diff").output == ""
    changed = output.read_text(encoding="utf-8").replace("series: 50000 #", "series: 1 #")
    output.write_text(changed, encoding="utf-8")
    result = batchtel("config", "render", "--env", "local", "-o", output, "--check")
    assert (result.exit_code, result.output) == (
        1,
        f"error: {output} is out of date; to write it, leave out --check and --diff\n",
    )
    result = batchtel("config", "render", "--env", "local", "-o", output, "--diff")
    assert result.exit_code == 1
    limits = re.findall(r"^([-+]) +series: (\d+) #", result.stdout, re.MULTILINE)
    assert limits == [("-", "1"), ("+", "50000")]
    assert output.read_text(encoding="utf-8") == changed


def test_render_makes_the_folder_that_a_slash_names(tmp_path: Path) -> None:
    """`-o deploy/` writes into a new folder and reports the file, and `--check` reports where none is."""
    missing = batchtel("config", "render", "--env", "local", "-o", f"{tmp_path}/deploy/", "--check")
    file = tmp_path / "deploy" / "local.yaml"
    assert (missing.exit_code, missing.stderr) == (
        1,
        f"error: {file} does not exist; to write it, leave out --check and --diff\n",
    )
    assert not file.parent.exists()
    written = batchtel("config", "render", "--env", "local", "-o", f"{tmp_path}/deploy/")
    assert (written.exit_code, written.stdout, written.stderr) == (0, "", f"wrote {file}\n")
    assert batchtel("config", "render", "--env", "local", "-o", file, "--check").exit_code == 0


def test_a_collector_of_the_current_folder_is_found(
    collector_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--collector ./otelcol` is that file, not one of the same name on PATH."""
    (tmp_path / "otelcol").symlink_to(collector_program)
    monkeypatch.chdir(tmp_path)
    result = batchtel("config", "check", "--env", "local", "--collector", "./otelcol")
    assert (result.exit_code, result.stderr) == (0, "")


def test_render_needs_a_file_to_compare_with() -> None:
    """Without --output there is nothing to compare; exit code 2."""
    result = batchtel("config", "render", "--env", "local", "--check")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: --check and --diff compare with a file; name it with --output\n",
    )


def test_render_cannot_write_into_nowhere(tmp_path: Path) -> None:
    """The message names the file and the reason; exit code 2."""
    output = tmp_path / "none" / "collector.yaml"
    result = batchtel("config", "render", "--env", "local", "-o", output)
    assert (result.exit_code, result.stderr) == (2, f"error: cannot write {output}: No such file or directory\n")
