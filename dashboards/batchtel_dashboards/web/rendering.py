"""Pages as HTML. Names, messages and log lines are foreign text: all of it is escaped, and none of it is markup."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from batchtel_dashboards.history.run import Outcome
from batchtel_dashboards.history.text import clock, lines, size, span
from batchtel_dashboards.web.addresses import Addresses

FOLDER: Final = Path(__file__).parent

LONGEST: Final = 4000
"""Characters of one foreign text that a page has: a log line of a megabyte makes no page of a megabyte."""


def html(template: str, addresses: Addresses | None = None, **content: Any) -> str:
    """Return a page.

    Args:
        template: its name without `.html.jinja`.
        addresses: where its links lead; to the server that answers it if not given.
        content: what the template shows.
    """
    content = {"anchor": "", "to": addresses or Addresses(), **content}
    text = _environment().get_template(f"{template}.html.jinja").render(content)
    # Names in JSON may have lone surrogates, which no encoding has; a page must not fail by them.
    return text.encode(errors="replace").decode()


def style() -> str:
    """Return the style sheet."""
    return (FOLDER / "static" / "style.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "clock": clock,
        "span": span,
        "size": lambda number: None if number is None else size(number),
        "ago": _ago,
        "iso": lambda seconds: datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds"),
        "count": lambda number: None if number is None else f"{number:,.0f}",
        "share": lambda part: None if part is None else f"{part:.1%}",
        "number": lambda number: None if number is None else f"{number:,.4g}",
        "cut": _cut,
        "facts": _facts,
    }
    return made


def _shown(value: object) -> object:
    """Return what is written for a value of a template: foreign text without control characters, - for none."""
    if value is None:
        return "-"
    return "\n".join(lines(value)) if type(value) is str and not value.isprintable() else value


def _ago(seconds: float | None, now: float) -> str | None:
    return None if seconds is None else f"{span(max(now - seconds, 0.0))} ago"


def _cut(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"


def _facts(outcome: Outcome) -> Mapping[str, str]:
    """Return the attributes of an attempt by name, without those that a page shows anyway."""
    return {key: text for key, text in sorted(outcome.fields.items()) if text and not key.startswith("exception.")}
