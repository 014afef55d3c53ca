"""The cases themselves: a folder without cases, or a case that could not fail, is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline import case

_SEND = "send: [{metrics: [{name: shop.rows}]}]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of cases/."""
    monkeypatch.setattr(case, "CASES", tmp_path)
    return tmp_path


def test_no_cases(folder: Path) -> None:
    """No case at all is an error, not a test run that passes."""
    with pytest.raises(ValueError, match="no cases below"):
        case.load()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(f"description: nothing expected\nseries: ''\n{_SEND}", "expects nothing", id="expects nothing"),
        pytest.param(f"description: no series key\n{_SEND}", "series\n  Field required", id="no series"),
        pytest.param("description: nothing sent\nsend: []\nseries: x 1\n", "at least 1 item", id="sends nothing"),
        pytest.param(f"description: misspelt key\nserie: x 1\nseries: x 1\n{_SEND}", "serie\n  Extra", id="misspelt"),
        pytest.param("description: empty request\nsend: [{}]\nseries: x 1\n", "exactly one of", id="empty request"),
    ],
)
def test_a_case_that_cannot_fail(folder: Path, text: str, complaint: str) -> None:
    """A case without input, without expectation or with a key that means nothing is an error that names the file."""
    (folder / "bad.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"bad\.yaml") as error:
        case.load()
    assert complaint in str(error.value)
