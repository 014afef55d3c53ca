"""Old keys of environment files: each is an error with the new key and its line, beside all others."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel_collector.environment.load import InvalidEnvironmentError, load
from batchtel_collector.environment.renamed_keys import LABELS, NAMES

OLD = """\
base: local
name: mine
cadence: 15
listen: {series: "127.0.0.1:9889"}
jobs: [nightly_etl]
unknown_jobs: other
job_labels: {team: [sales]}
shard: standalone-1
sender: {endpoint: "http://127.0.0.1:4318"}
extras: ./extras.yaml
expiry: fast
roles:
  agent: {shard: agent-0, jobs: []}
"""


def refusal(text: str, folder: Path, role: str | None = None) -> str:
    """Return what `batchtel` prints about a file with this text."""
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidEnvironmentError) as refused:
        load(str(file), role=role)
    return str(refused.value).replace(f"{file}:", "")


@pytest.mark.parametrize("role", [None, "agent"])
def test_every_old_key_is_an_error_with_the_new_one(role: str | None, tmp_path: Path) -> None:
    """All at once with what else is wrong, the value of an old key included."""
    assert refusal(OLD, tmp_path, role).splitlines()[1:] == [
        "  3:1: cadence is now export_interval",
        '  3:10: export_interval: 15 is not a duration; write a whole number and a unit, such as "15s", "5m", "12h" or '
        '"35d"',
        "  4:10: listen.series is now listen.scrape",
        f"  5:1: {NAMES}",
        f"  7:1: {LABELS}",
        "  8:1: shard is now instance",
        "  9:1: sender is now jobs",
        "  10:1: extras is now overrides",
        '  11:9: expiry: "fast" is not a duration; write a whole number and a unit, such as "15s", "5m", "12h" or '
        '"35d"',
        "  13:11: roles.agent.shard is now roles.agent.instance",
        f"  13:27: {NAMES}",
    ]


def test_a_file_without_a_base_lacks_no_new_key(tmp_path: Path) -> None:
    """The old key is the one problem; its value is that of the new key."""
    shown = CliRunner().invoke(main, ["config", "environments", "local"]).stdout
    whole = shown.replace("\nexport_interval:", "\ncadence:").replace("\n  scrape:", "\n  series:")
    whole = (
        whole.replace("\ninstance:", "\nshard:").replace("\njobs:", "\nsender:").replace("\noverrides:", "\nextras:")
    )
    lines = refusal(whole, tmp_path).splitlines()[1:]
    assert [line.split(": ", 1)[1] for line in lines] == [
        "listen.series is now listen.scrape",
        "cadence is now export_interval",
        "shard is now instance",
        "sender is now jobs",
        "extras is now overrides",
    ]


def test_a_key_that_has_left_its_group(tmp_path: Path) -> None:
    """What was expected of Airflow's own metrics is now the switch for them, with the value it had."""
    text = "base: local\nname: mine\nlisten: {statsd: '127.0.0.1:8125'}\nexpected: {steps: 9, airflow: true}\n"
    assert refusal(text, tmp_path).splitlines()[1:] == ["  4:22: expected.airflow is now airflow_metrics"]


def test_an_old_key_in_the_base_is_reported_with_its_file(tmp_path: Path) -> None:
    """The file that has it is the one to change."""
    base = tmp_path / "base.yaml"
    base.write_text("base: local\n", encoding="utf-8")
    shown = CliRunner().invoke(main, ["config", "environments", "local"]).stdout
    base.write_text(shown.replace("\nexport_interval:", "\ncadence:"), encoding="utf-8")
    line = shown.splitlines().index("export_interval: 15s") + 1
    message = refusal("base: ./base.yaml\nname: mine\ncadence: 5s\n", tmp_path)
    assert message.splitlines()[1:] == [
        "  3:1: cadence is now export_interval",
        f"  {base}:{line}:1: cadence is now export_interval",
    ]


def test_old_and_new_key_together(tmp_path: Path) -> None:
    """The new one counts, and the old one is to be removed."""
    message = refusal("base: local\nname: mine\ncadence: 5\nexport_interval: 15s\n", tmp_path)
    assert message.splitlines()[1:] == ["  3:1: cadence is now export_interval"]


def test_an_old_key_of_a_caller_has_no_place() -> None:
    """Overrides in Python are no exception."""
    with pytest.raises(InvalidEnvironmentError, match=r"local\.yaml: shard is now instance$"):
        load("local", {"shard": "standalone-1"})


def test_the_old_variable_of_the_instance(tmp_path: Path) -> None:
    """The manifests set another one now, so the collectors would have no name."""
    message = refusal("base: production\nname: mine\ninstance: ${env:BATCHTEL_SHARD}\n", tmp_path)
    assert message.splitlines()[1:] == [
        "  3:11: instance: BATCHTEL_SHARD is now BATCHTEL_INSTANCE, which the manifests set; "
        "write ${env:BATCHTEL_INSTANCE}"
    ]


def test_old_keys_exit_with_2(tmp_path: Path) -> None:
    """As every wrong file."""
    file = tmp_path / "mine.yaml"
    file.write_text("base: local\nname: mine\ncadence: 15s\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["config", "render", "--env", str(file)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: 1 problem in the environment {file}\n  {file}:3:1: cadence is now export_interval\n"
    )
