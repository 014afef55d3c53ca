"""The language of names, docstrings, comments, messages and pages: the terms of docs/glossary.md, none of BANNED."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parent.parent

FOLDERS: Final = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "benchmarks",
    "collector",
    "compose",
    "dashboards",
    "docs",
    "instrumentation",
    "tests",
)
"""Files and folders whose language is checked."""

TEXTS: Final = (".md", ".j2", ".toml", ".yaml")
"""Endings of files that are checked as text; Python files are read token by token."""

_REPORT: Final = "report, record, export or state"
_ACCEPT: Final = "accept, receive, use, read, need or last"
_SEE: Final = "recognise, find, read or have"
_WORD: Final = "name, text, term or report"
_PROCESS: Final = "process, run, generation or lifetime"
BANNED: Final = {
    **dict.fromkeys(("told", "tell", "tells", "telling", "say", "says", "said", "saying"), _REPORT),
    **dict.fromkeys(("take", "takes", "taken", "taking"), _ACCEPT),
    **dict.fromkeys(("hear", "hears", "heard", "know", "knows", "knew", "known", "knowing"), _SEE),
    **dict.fromkeys(("word", "words"), _WORD),
    **dict.fromkeys(("guest", "guests", "house"), "embedded, host or repository"),
    **dict.fromkeys(("life", "lives"), _PROCESS),
    "nobody": "no process, no code or no user",
    "anew": "again or new",
    "is right": "is valid, is correct or passes",
}
"""Word -> what to write instead (section 8 of the design: the words of OpenTelemetry, Prometheus and Airflow)."""

_GROUP: Final = "the name of a group, which users write"
ALLOWED: Final = {
    ("benchmarks/__main__.py", "guest"): _GROUP,
    ("benchmarks/guest.py", "guest"): _GROUP,
    ("tests/benchmarks/test_groups.py", "guest"): _GROUP,
    ("compose/batchtel_stack/binaries.py", "house"): "ClickHouse, a product",
    ("instrumentation/batchtel/base/values.py", "word"): "a word of text: characters between two spaces",
    ("instrumentation/batchtel/redact/secret_shapes.py", "word"): "a word of text: characters between two spaces",
    ("tests/support/planted.py", "guest"): "the default user of RabbitMQ, in an address",
}
"""File and word -> why the word is meant literally there."""

_PIECE: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PHRASES: Final = tuple(phrase for phrase in BANNED if " " in phrase)


class Finding(NamedTuple):
    """A banned word at a line of a file."""

    file: str
    line: int
    word: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.word!r}: write {BANNED[self.word]}"


def _python_pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield names, comments and string literals with the lines that they begin at."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (tokenize.OP, tokenize.NUMBER, tokenize.INDENT, tokenize.NL, tokenize.NEWLINE):
            yield token.start[0], token.string


def words_in(file: str, text: str) -> list[Finding]:
    """Return the banned words of a file: of identifiers each part, `told_runs` and `ToldRun` alike."""
    pieces = _python_pieces(text) if file.endswith(".py") else [(1, text)]
    found = []
    for line, piece in pieces:
        matches = [(match.start(), match[0].lower()) for match in _PIECE.finditer(piece)]
        found += [Finding(file, line + piece.count("\n", 0, at), word) for at, word in matches if word in BANNED]
        for phrase in _PHRASES:
            pattern = r"\b" + phrase.replace(" ", r"\s+(?:#\s*)?") + r"\b"
            found += [
                Finding(file, line + piece.count("\n", 0, match.start()), phrase)
                for match in re.finditer(pattern, piece)
            ]
    return found


def _files() -> list[str]:
    files = [
        file for name in FOLDERS for file in ((ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name])
    ]
    names = [str(file.relative_to(ROOT)) for file in files if file.suffix in (".py", *TEXTS)]
    # A hidden folder has environments or caches in it.
    return sorted(name for name in names if "/." not in name and name != "tests/test_language.py")


def test_texts_use_the_terms_of_the_glossary() -> None:
    """No name, docstring, comment, message or page of FOLDERS has a banned word."""
    files = _files()
    assert files
    found = [each for file in files for each in words_in(file, (ROOT / file).read_text(encoding="utf-8"))]
    wrong = [str(each) for each in found if (each.file, each.word) not in ALLOWED]
    assert not wrong, "\n".join(wrong)
    unused = set(ALLOWED) - {(each.file, each.word) for each in found}
    assert unused == set(), "these exceptions are no longer needed"


@pytest.mark.parametrize(
    ("file", "text", "lines"),
    [
        ("a.py", "def tell_it():\n    '''Return x.\n\n    It takes y.\n    '''\n", [(1, "tell"), (4, "takes")]),
        ("a.py", "class ToldRun: ...\n# nobody\nx = f'{y} is known'\n", [(1, "told"), (2, "nobody"), (3, "known")]),
        ("a.py", "unknown = retold = 'hearing'\n", []),
        ("a.md", "# Title\n\nAll of it is\nright.\n", [(3, "is right")]),
    ],
)
def test_banned_words_are_found(file: str, text: str, lines: list[tuple[int, str]]) -> None:
    """Words are found in names, docstrings, comments, f-strings and pages, and only as whole words."""
    assert sorted((each.line, each.word) for each in words_in(file, text)) == lines
