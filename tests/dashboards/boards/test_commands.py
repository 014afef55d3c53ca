"""`batchtel dashboards build` and `check`, as a user calls them."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from batchtel.cli.main import main
from batchtel_dashboards.boards import provisioning, query_rules, shipped


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["dashboards", *arguments])


@pytest.mark.parametrize("aggregation", ["exact", "stock"])
def test_build_writes_what_ships(tmp_path: Path, aggregation: str) -> None:
    """The boards as they are in the package, a provider that names their folder, and the data sources."""
    place = tmp_path / "grafana"
    done = _run("build", "--output", str(place), "--aggregation", aggregation, "--stores", "victorialogs-jaeger")
    assert done.exit_code == 0, done.output
    assert shipped.read(place / "boards") == shipped.texts(aggregation)
    provider = yaml.safe_load((place / "provisioning" / "dashboards" / "batchtel.yaml").read_text())
    assert provider["providers"][0]["options"] == {"path": str(place / "boards")}
    sources = (place / "provisioning" / "datasources" / "batchtel.yaml").read_text()
    assert sources == provisioning.sources("victorialogs-jaeger")
    written = {str(file) for file in place.rglob("*") if file.is_file()}
    assert set(done.stdout.splitlines()) == written
    assert _run("check", str(place / "boards")).exit_code == 0


def test_build_into_a_file(tmp_path: Path) -> None:
    """A path that cannot be a folder is named, with what to do."""
    file = tmp_path / "file"
    file.write_text("")
    done = _run("build", "--output", str(file))
    assert done.exit_code == 2
    assert f"cannot write {file}/boards/batch-" in done.stderr
    assert "name another folder with --output" in done.stderr


def test_check_of_what_ships() -> None:
    """Both engines' boards are checked without an argument but the engine."""
    for aggregation in ("exact", "stock"):
        done = _run("check", "--aggregation", aggregation)
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout.endswith("boards/" + aggregation + ": no problem\n")


def test_check_lists_every_problem(tmp_path: Path) -> None:
    """Each problem is a line; exit code 1."""
    for uid, text in shipped.texts("exact").items():
        board = json.loads(text)
        board["title"] = "" if uid in ("batch-job", "batch-sla") else board["title"]
        (tmp_path / f"{uid}.json").write_text(json.dumps(board))
    done = _run("check", str(tmp_path))
    assert done.exit_code == 1
    assert done.stdout.splitlines() == ["batch-job.json: has no title", "batch-sla.json: has no title"]
    assert f"2 problems in the boards in {tmp_path}; correct what is listed above" in done.stderr


def test_check_of_an_empty_folder(tmp_path: Path) -> None:
    """No board is no success."""
    done = _run("check", str(tmp_path))
    assert done.exit_code == 2
    assert f"{tmp_path} has no *.json; to write the boards there: batchtel dashboards build --output" in done.stderr


def test_check_of_what_is_not_text(tmp_path: Path) -> None:
    """A file that cannot be read is an error of the input, not a traceback."""
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    done = _run("check", str(tmp_path))
    assert done.exit_code == 2
    assert f"cannot read the boards in {tmp_path}: a file is not UTF-8 text" in done.stderr


def test_check_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where promql-parser is not installed, the other rules are checked, and one line names what is not."""
    monkeypatch.setitem(sys.modules, "promql_parser", None)
    importlib.reload(query_rules)
    try:
        done = _run("check")
        assert list(query_rules.of_promql("sum(x")) == []
    finally:
        monkeypatch.undo()
        importlib.reload(query_rules)
    assert done.exit_code == 0
    assert done.stderr == "PromQL is not parsed, because promql-parser is not installed: pip install promql-parser\n"
    assert list(query_rules.of_promql("sum(x")) == ["is not PromQL: unclosed left parenthesis"]
