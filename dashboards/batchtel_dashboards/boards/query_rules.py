"""Rules that hold for the queries of a board, and for what its panels show where a query has no answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from batchtel_dashboards.boards import board_json
from batchtel_dashboards.boards.board_json import Board

try:
    import promql_parser
except ImportError:
    promql_parser = None  # type: ignore[assignment]

PARSED: Final = promql_parser is not None
"""Whether PromQL is parsed: it needs the package promql-parser, which batchtel does not bring."""

_QUANTILES: Final = re.compile(r"\b(sum|avg)\b[^()]*(\([^()]*\)\s*)?\(\s*histogram_quantile")
_RUN_ID: Final = re.compile(r"\b(batch_)?run_id\b")

_STRING: Final = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`')
_LABELS: Final = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
_SELECTOR: Final = re.compile(r"[{]|\b[a-zA-Z_:][\w:]*\b(?!\s*\()")
_KEYWORDS: Final = re.compile(
    r"\b(and|or|unless|bool|offset|by|without|on|ignoring|group_left|group_right|inf|nan)\b", re.I
)
_ABSENT: Final = re.compile(r"\babsent(_over_time)?\s*\(")
_ZERO: Final = re.compile(r"^\s*[+-]?0+([.,]0*)?\s*\D*$")
_VARIABLE: Final = re.compile(r"\$\{\w+[^}]*\}|\$\w+|\[\[\w+[^\]]*\]\]")


def of_promql(text: str) -> Iterator[str]:
    """Return what is wrong in a PromQL of a panel, each as the end of `a query ...`."""
    if PARSED and (error := _error(text)):
        yield f"is not PromQL: {error}"
    yield from (f"shows a number where there is no data; remove `{part}`" for part in made_up(text))
    if _QUANTILES.search(text):
        yield "adds quantiles up; add the buckets up first, by le"
    if _RUN_ID.search(text):
        yield "reads a run id from a metric; no metric has one, look in logs or traces"


def of_several(text: str, variables: Iterable[Board]) -> Iterator[str]:
    """Return the comparisons of one value with a variable that has several, in a query of any language."""
    for name in sorted(one["name"] for one in variables if one.get("name") and one.get("multi") is True):
        pattern = rf"!?=\s*([\"'`])[^\"'`]*(\$\{{{name}\b|\${name}\b|\[\[{name}\b)"
        if re.search(pattern, text):
            yield f"compares one value with the variable {name}, which can have several; write =~ or !~"


def zeros(panel: Board) -> Iterator[str]:
    """Return the settings by which a panel shows 0 where there is no data."""
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    settings = [*defaults.items(), *board_json.overridden(panel)]
    for key, value in settings:
        if key == "noValue" and _ZERO.match(str(value)):
            yield f"shows {value} where there is no data; write a text as its noValue, such as `no data`"
        for mapping in value if key == "mappings" and isinstance(value, list) else ():
            if isinstance(mapping, dict) and _is_zero_for_none(mapping.get("type"), mapping.get("options")):
                yield "maps a missing value to 0; map it to a text, such as `no data`"


def made_up(text: str) -> list[str]:
    """Return each operand of `or` that needs no series, where the other one reads some: `or vector(0)`."""
    plain = _plain(text)
    found = []
    for match in re.finditer(r"\bor\b", plain):
        left, right = _left(plain, match.start()), _right(plain, match.end())
        reads_left, reads_right = _reads(plain[left : match.start()]), _reads(plain[match.end() : right])
        if reads_left and not reads_right:
            found.append(text[match.start() : right].strip())
        elif reads_right and not reads_left:
            found.append(text[left : match.end()].strip())
    return found


def _plain(text: str) -> str:
    """Return the text with strings, comments, and lists of labels replaced by as many blanks, `""` for a string."""

    def blank(match: re.Match[str]) -> str:
        return " " * len(match[0])

    text = _STRING.sub(blank, text)
    text = re.sub(r"#[^\n]*", blank, text)
    text = re.sub(r"\{[^{}]*\}", lambda match: "{" + " " * (len(match[0]) - 2) + "}", _VARIABLE.sub(blank, text))
    text = re.sub(r"\[[^\[\]]*\]", blank, text)
    # The `or` before them stays.
    return _LABELS.sub(blank, text)


def _right(text: str, start: int) -> int:
    """Return the end of the right operand of an `or`, which binds weaker than all others."""
    depth = 0
    for match in re.finditer(r"[()]|,|\bor\b", text[start:]):
        if match[0] == "(":
            depth += 1
        elif match[0] == ")" and depth:
            depth -= 1
        elif not depth:
            return start + match.start()
    return len(text)


def _left(text: str, end: int) -> int:
    """Return the start of the left operand of an `or`; those before it that are joined by `or` belong to it."""
    depth = 0
    for index in range(end - 1, -1, -1):
        if text[index] == ")":
            depth += 1
        elif text[index] == "(" and depth:
            depth -= 1
        elif not depth and text[index] in "(,":
            return index + 1
    return 0


def _reads(text: str) -> bool:
    """Return whether an operand has a selector of series, but as something absent."""
    while match := _ABSENT.search(text):
        depth, end = 1, match.end()
        while end < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = f"{text[: match.start()]} 1 {text[end:]}"
    # A number may have a unit, and a function a name.
    text = re.sub(r"\b\d[\w.]*", " ", text)
    return bool(_SELECTOR.search(_KEYWORDS.sub(" ", text)))


def _is_zero_for_none(kind: object, options: Any) -> bool:
    if kind != "special" or not isinstance(options, dict):
        return False
    result = options.get("result")
    shown = result.get("text", "") if isinstance(result, dict) else ""
    return options.get("match") in ("null", "null+nan", "nan", "empty") and bool(_ZERO.match(str(shown)))


def _error(text: str) -> str:
    """Return why a PromQL does not parse, whatever its variables may be; "" if it does."""
    first = ""
    for value in ("1", "x"):
        try:
            promql_parser.parse(_filled(text, value))
        except ValueError as error:
            first = first or str(error)
        else:
            return ""
    return first


def _filled(text: str, value: str) -> str:
    """Return a query with something in the place of each variable of Grafana."""
    text = _STRING.sub(lambda match: _VARIABLE.sub("x", match[0]), text)
    text = re.sub(r"\[(?!\[)[^\[\]]*\]", lambda match: _VARIABLE.sub("5m", match[0]), text)
    text = re.sub(rf"\boffset\s+-?({_VARIABLE.pattern})", "offset 5m", text)
    return _VARIABLE.sub(value, text)
