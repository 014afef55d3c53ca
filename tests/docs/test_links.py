"""Each link in the documentation has a target."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DOCS = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "runbooks"]

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]


def _without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _missing(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(page)):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if ":" not in target and (not file.exists() or (anchor and anchor not in _anchors(file))):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_has_a_target(page: Path) -> None:
    """A file of this repository, and in it a heading, if the link names one."""
    assert list(_missing(page)) == []


def test_the_readme_lists_each_page() -> None:
    """The index in README.md has one line for each page of docs/."""
    index = re.findall(r"^\| \[docs/([\w/-]+\.md)\]", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(index) == sorted(str(page.relative_to(ROOT / "docs")) for page in DOCS)


def test_the_guide_names_files_that_exist() -> None:
    """Each file in CONTRIBUTING.md is in this repository; a name without a folder is that of a file in some folder."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./-]+\.(?:py|toml|yaml|md))`", text))
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = {f"/{file}" for file in tracked.splitlines()}
    assert len(named) > 40
    assert [name for name in sorted(named) if not any(file.endswith(f"/{name}") for file in files)] == []
