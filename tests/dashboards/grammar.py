"""The grammars of LogQL and TraceQL that Grafana's editors use, run by QuickJS; their origin: `grammars/README.md`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final, Literal

import quickjs

Language = Literal["logql", "traceql"]

FOLDER: Final = Path(__file__).parent / "grammars"
FILES: Final = {
    "@lezer/common": "lezer-common-1.5.5.cjs",
    "@lezer/lr": "lezer-lr-1.4.10.cjs",
    "logql": "lezer-logql-0.4.2.cjs",
    "traceql": "lezer-traceql-1.0.0.cjs",
}
"""Name of a module -> its file; each requires earlier ones only."""

_ERRORS: Final = """
function errors(language, text) {
  const found = [];
  loaded[language].parser.parse(text).iterate({enter(node) {
    if (node.type.isError) found.push([node.from, node.to]);
  }});
  return JSON.stringify(found);
}
"""


def errors(language: Language, text: str) -> list[str]:
    """Return each syntax error of a query: the text that does not belong there, with the text before it."""
    found: list[tuple[int, int]] = json.loads(_context().get("errors")(language, text))
    return [f"{text[max(0, start - 20) : start]}>>>{text[start:end]}<<<" for start, end in found]


@cache
def _context() -> quickjs.Context:
    context = quickjs.Context()
    context.eval("const loaded = {}; const require = name => loaded[name];")
    for name, file in FILES.items():
        body = (FOLDER / file).read_text(encoding="utf-8")
        # A module of CommonJS is the body of a function; no process of Node is needed.
        context.eval(f"loaded[{json.dumps(name)}] = (() => {{const exports = {{}};\n{body}\nreturn exports}})()")
    context.eval(_ERRORS)
    return context
