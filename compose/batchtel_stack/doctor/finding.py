"""What one check of the doctor has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["ok", "wrong", "input", "unreachable", "skipped"]
"""wrong: it works otherwise than it should. input: a variable or option cannot be used. unreachable: nobody answers."""

_EXIT_CODES: dict[Kind, int] = {"input": 2, "unreachable": 3, "wrong": 1}


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        check: what was looked at, one or two words.
        kind: how it is.
        message: what was seen.
        fix: what to type or to change; "" when nothing is to be done.
    """

    check: str
    kind: Kind
    message: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is to be done; what was skipped is the doing of another finding."""
        return self.kind in ("ok", "skipped")

    def document(self) -> dict[str, Any]:
        """Return the finding for `--json`."""
        return {"check": self.check, "result": self.kind, "message": self.message, "fix": self.fix or None}


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 2 when any input is wrong, else 3 when anything is unreachable, else 1 when anything is wrong, else 0."""
    kinds = {finding.kind for finding in findings}
    return next((code for kind, code in _EXIT_CODES.items() if kind in kinds), 0)
