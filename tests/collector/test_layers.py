"""Environments with a base and with roles: what wins, where it came from, and what is refused."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from batchtel.cli.main import main
from batchtel_collector.environment import schema
from batchtel_collector.environment.layers import SHIPPED, shipped
from batchtel_collector.environment.load import InvalidEnvironmentError, load
from batchtel_collector.environment.role_variants import variants

MINE = """\
base: local
name: mine
queue: {size: 2GiB}
gateways: {endpoints: ["127.0.0.1:5317"]}
roles:
  agent:
    memory_limit: 256MiB
    instance: agent-0
  gateway:
    memory_limit: 2GiB
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file with a base, and with parts for two roles."""
    file = tmp_path / "mine.yaml"
    file.write_text(MINE, encoding="utf-8")
    return file


def batchtel(*arguments: str | Path) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refusal(file: Path) -> str:
    """Return the whole message about a file that must be refused."""
    with pytest.raises(InvalidEnvironmentError) as refused:
        load(str(file))
    return str(refused.value)


def test_a_file_changes_single_keys_of_its_base(mine: Path) -> None:
    """Keys of groups are put over one by one, and all the rest is the base's."""
    environment = load(str(mine))
    assert (environment.name, environment.export_interval) == ("mine", timedelta(seconds=15))
    assert (environment.queue.size, environment.queue.folder) == (2 * 2**30, "${env:HOME}/.local/state/batchtel/queue")
    assert environment.memory_limit == 2**30


def test_a_role_has_what_differs_for_it(mine: Path) -> None:
    """The part of the chosen role is put over the rest, overrides over that, and the other part does not count."""
    agent = load(str(mine), role="agent")
    assert (agent.role, agent.memory_limit, agent.instance) == ("agent", 256 * 2**20, "agent-0")
    gateway = load(str(mine), {"instance": "gateway-7"}, role="gateway")
    assert (gateway.role, gateway.memory_limit, gateway.instance) == ("gateway", 2 * 2**30, "gateway-7")


def test_null_removes_what_the_base_has(tmp_path: Path) -> None:
    """A vendor instead of a store: the store of the base is gone."""
    file = tmp_path / "mine.yaml"
    file.write_text("base: local\nname: mine\nvictorialogs: null\nvendor: {endpoint: https://otlp.example.com}\n")
    assert list(load(str(file)).destinations) == ["prometheus", "jaeger", "vendor"]


def test_null_removes_the_roles_of_the_base(tmp_path: Path) -> None:
    """One collector instead of agents and gateways: no part of the base's is left to choose or to check."""
    file = tmp_path / "mine.yaml"
    file.write_text("base: production\nname: mine\nrole: standalone\nroles: null\n")
    assert load(str(file)).role == "standalone"
    assert [(one.role, one.stem) for one in variants(str(file))] == [("standalone", "mine")]


def test_origin_is_file_and_line(mine: Path) -> None:
    """Each value names the file and line that has set it, also one of a role's part."""
    rows = json.loads(batchtel("config", "environments", mine, "--role", "agent", "--origin", "--json").stdout)
    origins = {row["key"]: (row["value"], row["origin"]) for row in rows}
    assert origins["name"] == ('"mine"', f"{mine}:2")
    assert origins["memory_limit"] == ('"256MiB"', f"{mine}:7")
    assert origins["queue.size"] == ('"2GiB"', f"{mine}:3")
    assert origins["export_interval"][1].startswith("local.yaml:")
    assert origins["role"] == ('"agent"', "--role")
    assert "roles.agent.memory_limit" not in origins
    plain = batchtel("config", "environments", mine, "--role", "agent", "--origin").stdout
    assert any(line.split() == ["memory_limit", '"256MiB"', f"{mine}:7"] for line in plain.splitlines())


def test_a_mistake_is_reported_in_its_own_file(mine: Path) -> None:
    """The base is valid; the line is that of the file with the mistake, whose part for a role counts too."""
    mine.write_text(MINE.replace("256MiB", "256MB"), encoding="utf-8")
    load(str(mine))
    with pytest.raises(InvalidEnvironmentError) as refused:
        load(str(mine), role="agent")
    assert str(refused.value) == (
        f"1 problem in the environment {mine}\n"
        f'  {mine}:7:19: memory_limit: "256MB" is not a size; write a whole number and a unit, '
        'such as "512MiB" or "1GiB"'
    )


def test_an_unknown_base_is_reported_with_its_line(tmp_path: Path) -> None:
    """A slip in the base's name has file, line and column as any other, and hides no other problem."""
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nbase: locl\nexprot_interval: 15s\n", encoding="utf-8")
    message = refusal(file)
    assert f"{file}:2:7: base: unknown environment 'locl' (did you mean local?); shipped: " in message
    assert f"{file}:3:1: exprot_interval is not a key of an environment (did you mean export_interval?)" in message


def test_a_base_that_cannot_be_read_is_reported_with_its_line(tmp_path: Path) -> None:
    """As a slip in a name is, it hides no other problem."""
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nbase: ./none.yaml\nexprot_interval: 15s\n", encoding="utf-8")
    assert refusal(file) == (
        f"2 problems in the environment {file}\n"
        f"  {file}:2:7: base: cannot read the environment {tmp_path}/none.yaml: No such file or directory\n"
        f"  {file}:3:1: exprot_interval is not a key of an environment (did you mean export_interval?)"
    )


@pytest.mark.parametrize("role", [None, "agnet"])
def test_a_slip_in_the_role_is_reported_with_its_line(role: str | None, tmp_path: Path) -> None:
    """Also where the role is asked for by the name that the file gives it, as a check of all roles does."""
    file = tmp_path / "mine.yaml"
    file.write_text("base: local\nname: mine\nrole: agnet\n", encoding="utf-8")
    with pytest.raises(InvalidEnvironmentError) as refused:
        load(str(file), role=role)
    assert f'{file}:3:7: role: "agnet" is not a choice (did you mean agent?)' in str(refused.value)


@pytest.mark.parametrize("given", ["[agent]", "{agent: 1}", "5"])
def test_a_role_is_text(given: str, tmp_path: Path) -> None:
    """Anything else is reported as any other wrong value, also in a check, which reads the role first."""
    file = tmp_path / "mine.yaml"
    file.write_text(f"base: production\nname: mine\nrole: {given}\n", encoding="utf-8")
    assert refusal(file).startswith(f"1 problem in the environment {file}\n  {file}:3:7: role: ")
    file.write_text(f"base: local\nname: mine\nrole: {given}\n", encoding="utf-8")
    result = batchtel("config", "check", "--env", file)
    assert result.exit_code == 2
    assert "role: " in result.stderr


@pytest.mark.parametrize(
    "command",
    ["render", "render --format compose", "check", "environments", "environments --origin", "variables"],
)
def test_a_file_is_read_once(command: str, mine: Path, collector_program: Path) -> None:
    """So it can be a pipe, as `<(...)` of a shell gives; what is checked, named and rendered is one text."""
    reading, writing = os.pipe()
    os.write(writing, mine.read_bytes())
    os.close(writing)
    options = ["--collector", str(collector_program)] if command == "check" else []
    pipe = f"/dev/fd/{reading}"
    named = [pipe] if command.startswith("environments") else ["--env", pipe]
    result = batchtel("config", *command.split(), *named, *options)
    os.close(reading)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "mine" in result.stdout
    assert pipe not in result.stdout or "--origin" in command


def test_a_base_has_no_base(mine: Path, tmp_path: Path) -> None:
    """Two files are all that anybody has to read."""
    above = tmp_path / "above.yaml"
    above.write_text("name: above\nbase: ./mine.yaml\n", encoding="utf-8")
    assert refusal(above) == (
        f"1 problem in the environment {above}\n"
        f"  {above}:2:7: base: ./mine.yaml has the base local itself, and inheritance is one level; "
        "write base: local, and what ./mine.yaml changes here"
    )


def test_an_unknown_role_is_reported(mine: Path) -> None:
    """A part that no role uses would look as if it counted."""
    mine.write_text(MINE.replace("  gateway:", "  gatway:"), encoding="utf-8")
    assert refusal(mine) == (
        f"1 problem in the environment {mine}\n"
        f"  {mine}:9:3: roles.gatway is not a role; write standalone, agent or gateway"
    )


def test_list_names_every_shipped_environment() -> None:
    """One line each, with roles and a sentence; in JSON too."""
    lines = batchtel("config", "environments").stdout.splitlines()
    rows = json.loads(batchtel("config", "environments", "--json").stdout)
    assert [line.split()[0] for line in lines] == [row["name"] for row in rows] == shipped()
    assert all(row["roles"] and len(row["about"]) > 20 for row in rows)


def test_show_is_an_environment_that_can_be_read(tmp_path: Path) -> None:
    """What is shown is complete: written to a file it needs no base."""
    shown = tmp_path / "shown.yaml"
    shown.write_text(batchtel("config", "environments", "ci").stdout, encoding="utf-8")
    assert load(str(shown)) == load("ci")


def test_published_schema_is_current() -> None:
    """Editors check files against what this version reads."""
    repair = "batchtel config schema > collector/batchtel_collector/environment.schema.json"
    assert batchtel("config", "schema").stdout == schema.text()
    assert schema.FILE.read_text(encoding="utf-8") == schema.text(), f"out of date; repair it with: {repair}"


@pytest.mark.parametrize("name", shipped())
def test_the_schema_accepts_what_the_model_accepts(name: str) -> None:
    """Every shipped file is valid by the schema, and editors mark a slip in a key, a unit, a role and a group."""
    text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    validator = Draft202012Validator(schema.schema())
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []
    slips: tuple[dict[str, object], ...] = (
        {"exprot_interval": "15s"},
        {"export_interval": "15 seconds"},
        {"roles": {"gatway": {}}},
        {"roles": {"agent": {"memory_limit": 5}}},
        {"tempo": "127.0.0.1:4327"},
        {"token": "hunter2"},
        {"metrics": {"shop.orders": {"lables": ["a"]}}},
    )
    for slip in slips:
        assert not validator.is_valid({**yaml.safe_load(text), **slip}), slip
