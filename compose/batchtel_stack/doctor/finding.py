"""The result of one check of the doctor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from batchtel.redact.addresses import shown

Kind = Literal["ok", "wrong", "input", "unreachable", "skipped"]
"""wrong: a problem was found. input: a variable or option cannot be used. unreachable: no answer."""

_EXIT_CODES: dict[Kind, int] = {"input": 2, "unreachable": 3, "wrong": 1}


@dataclass(frozen=True)
class Finding:
    """One line of the report. Addresses in its texts lose their credentials.

    Attributes:
        check: short name of the check.
        kind: the kind of the result.
        message: the result.
        fix: what to type or to change; "" if nothing.
    """

    check: str
    kind: Kind
    message: str
    fix: str = ""

    def __post_init__(self) -> None:
        for name in ("message", "fix"):
            object.__setattr__(self, name, shown(getattr(self, name)))

    @property
    def ok(self) -> bool:
        """Whether no fix is needed; a skipped check is caused by another finding."""
        return self.kind in ("ok", "skipped")

    def document(self) -> dict[str, Any]:
        """Return the finding for `--json`."""
        return {"check": self.check, "result": self.kind, "message": self.message, "fix": self.fix or None}


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 2 when any input is wrong, else 3 when anything is unreachable, else 1 when anything is wrong, else 0."""
    kinds = {finding.kind for finding in findings}
    return next((code for kind, code in _EXIT_CODES.items() if kind in kinds), 0)
