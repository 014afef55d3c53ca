"""The job catalogue of an environment: names and labels come from it, and its mistakes beside the environment's."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from batchtel_collector.check.series_budget import budget
from batchtel_collector.environment.load import InvalidEnvironmentError, load
from batchtel_collector.environment.model import Environment
from batchtel_collector.render.configuration import render
from batchtel_collector.render.formats import formatted

JOBS = """\
[jobs.nightly_etl]
owner = "ada@example.com"
team = "sales"

[jobs.hub_import]
owner = "ada@example.com"
team = "risk"

[jobs.report]
"""


def environment(folder: Path, more: str = "", jobs: str | None = JOBS, role: str | None = None) -> Environment:
    """Load a file with a catalogue beside it; `jobs` is the text of the catalogue, None for no file."""
    if jobs is not None:
        (folder / "jobs.toml").write_text(jobs, encoding="utf-8")
    file = folder / "mine.yaml"
    file.write_text(f"base: local\nname: mine\ncatalogue: ./jobs.toml\n{more}", encoding="utf-8")
    return load(str(file), role=role)


def refusal(folder: Path, more: str = "", jobs: str | None = JOBS) -> list[str]:
    """Return the lines about a file that cannot be used, with names instead of paths."""
    with pytest.raises(InvalidEnvironmentError) as refused:
        environment(folder, more, jobs)
    return str(refused.value).replace(f"{folder}/", "").splitlines()


def test_names_owners_and_teams_are_those_of_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, in the order of the file; it is found beside the environment, whatever the current folder is."""
    monkeypatch.chdir("/")
    mine = environment(tmp_path, "unknown_jobs: other\n")
    assert mine.job_names == ["nightly_etl", "hub_import", "report"]
    assert mine.job_labels == {"owner": ["ada@example.com"], "team": ["sales", "risk"]}
    assert budget(mine).jobs == 4  # with `other`


def test_a_label_without_values_is_none(tmp_path: Path) -> None:
    """A catalogue of bare names adds no label; the tags of Airflow are a list of their own."""
    assert environment(tmp_path, jobs="[jobs.report]\n").job_labels == {}
    assert environment(tmp_path, "tags: [nightly]\n", "[jobs.report]\n").job_labels == {"tag": ["nightly"]}


def test_a_long_name_is_the_label_that_the_job_reports(tmp_path: Path) -> None:
    """Cut, with a hash at its end, as the job side does."""
    (name,) = environment(tmp_path, jobs=f"[jobs.{'a' * 300}]\n").job_names
    assert len(name) == 120
    assert f'"{name}"' in render(environment(tmp_path, "unknown_jobs: other\n", f"[jobs.{'a' * 300}]\n"))


def test_what_is_rendered_does_not_need_the_file(tmp_path: Path) -> None:
    """Names and labels are in it, the path is not; agents, gateways and manifests run anywhere."""
    tiers = 'unknown_jobs: other\ngateways: {endpoints: ["127.0.0.1:5317"]}\n'
    for role in ("standalone", "agent", "gateway"):
        mine = environment(tmp_path, tiers, role=role)
        for form in ("collector", "compose"):
            assert "jobs.toml" not in formatted(mine, form, "mine")
    allowed = yaml.safe_load(render(environment(tmp_path, tiers, role="gateway")))["processors"]["run_rollup"]
    assert {label: allowed["defaults"]["allowed_values"][label] for label in ("job_name", "team")} == {
        "job_name": ["nightly_etl", "hub_import", "report", "other"],
        "team": ["sales", "risk", "other"],
    }
    text = render(environment(tmp_path, f"{tiers}aggregation: stock\n", role="gateway"))
    assert (
        'not ContainsValue(["nightly_etl", "hub_import", "report", "other"], datapoint.attributes["job_name"])' in text
    )
    assert 'not ContainsValue(["sales", "risk", "other"], datapoint.attributes["team"])' in text
    assert yaml.safe_load(text)


def test_a_part_of_a_role_has_a_catalogue_beside_the_file(tmp_path: Path) -> None:
    """As the file itself has, and the same holds for overrides."""
    (tmp_path / "jobs.toml").write_text(JOBS, encoding="utf-8")
    (tmp_path / "overrides.yaml").write_text("service: {telemetry: {logs: {level: info}}}\n", encoding="utf-8")
    file = tmp_path / "mine.yaml"
    part = "{catalogue: ./jobs.toml, overrides: ./overrides.yaml}"
    file.write_text(f"base: local\nname: mine\nroles:\n  standalone: {part}\n", encoding="utf-8")
    mine = load(str(file), role="standalone")
    assert mine.job_names[0] == "nightly_etl"
    assert mine.overrides == str(tmp_path / "overrides.yaml")


def test_mistakes_in_both_files_come_at_once(tmp_path: Path) -> None:
    """Each with its own file, line and column; the environment's first."""
    jobs = '[jobs.a]\nowner = 5\n  team = ""\n[jobs.b]\nteem = "x"\n'
    assert refusal(tmp_path, "expiry: fast\n", jobs) == [
        "4 problems in the environment mine.yaml",
        '  mine.yaml:4:9: expiry: "fast" is not a duration; write a whole number and a unit, such as "15s", "5m", '
        '"12h" or "35d"',
        '  jobs.toml:2:1: jobs.a.owner: 5 is not a text of 1 to 120 printable characters; write for example "sales"',
        '  jobs.toml:3:3: jobs.a.team: "" is not a text of 1 to 120 printable characters; write for example "sales"',
        "  jobs.toml:5:1: jobs.b.teem is not a key here (did you mean team?)",
    ]


def test_a_catalogue_that_is_not_toml(tmp_path: Path) -> None:
    """One problem, at its line."""
    lines = refusal(tmp_path, jobs="[jobs.a]\nowner = \n")
    assert lines[0] == "1 problem in the environment mine.yaml"
    assert lines[1].startswith("  jobs.toml:2:1: not TOML: ")


def test_a_missing_catalogue_is_named_with_what_to_type(tmp_path: Path) -> None:
    """At the line that names it, beside all other mistakes."""
    assert refusal(tmp_path, "expiry: fast\n", jobs=None)[:2] == [
        "2 problems in the environment mine.yaml",
        "  mine.yaml:3:12: catalogue: cannot read jobs.toml: No such file or directory; "
        "write one with `batchtel jobs init jobs.toml`",
    ]


def test_a_folder_is_no_catalogue(tmp_path: Path) -> None:
    """`init` would not help."""
    (tmp_path / "jobs.toml").mkdir()
    assert refusal(tmp_path, jobs=None) == [
        "1 problem in the environment mine.yaml",
        "  mine.yaml:3:12: catalogue: cannot read jobs.toml: Is a directory",
    ]


@pytest.mark.parametrize("given", ["5", "[a]", "{a: b}"])
def test_a_catalogue_is_a_path(given: str, tmp_path: Path) -> None:
    """Anything else is a wrong value as any other."""
    file = tmp_path / "mine.yaml"
    file.write_text(f"base: local\nname: mine\ncatalogue: {given}\n", encoding="utf-8")
    with pytest.raises(
        InvalidEnvironmentError, match=f"{file}:3:12: catalogue: .*is not the path of a file; write for"
    ):
        load(str(file))


def test_other_names_need_a_catalogue() -> None:
    """Without one every job would be `other`."""
    with pytest.raises(InvalidEnvironmentError, match=r"unknown_jobs: other needs .*; write catalogue: ./jobs.toml$"):
        load("local", {"unknown_jobs": "other"})
