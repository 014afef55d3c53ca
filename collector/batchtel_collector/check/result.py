"""The result of `batchtel config check` for an environment in one role, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchtel_collector.check import collector_binary
from batchtel_collector.check.problems import problems_of
from batchtel_collector.check.series_budget import Budget, budget
from batchtel_collector.environment.document import InvalidDocumentError, Problem
from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.role_variants import Variant


@dataclass(frozen=True)
class CheckResult:
    """One variant, what is wrong with it, and what its series come to.

    Attributes:
        variant: the environment in one role.
        problems: what is wrong; empty if nothing is.
        text: the same as text, or that the configuration is valid.
        file: the file that `problems` without a place belong to; None where the rendered configuration is wrong.
        budget: None for an agent, which makes no series, and where a file cannot be used.
    """

    variant: Variant
    problems: Sequence[Problem]
    text: str
    file: str | None = None
    budget: Budget | None = None

    @classmethod
    def of(cls, variant: Variant, environment: Environment, collector: Path) -> CheckResult:
        """Check the environment that was loaded for the variant.

        Raises:
            InvalidDocumentError: its overrides cannot be used.
            CollectorUnavailableError: the collector cannot be run.
        """
        problems = [Problem(message) for message in problems_of(environment, collector)]
        series = None if environment.role == "agent" else budget(environment)
        if problems:
            lines = "".join(f"\n  {problem.message}" for problem in problems)
            text = f"the configuration of {variant.stem} is not valid (checked with {collector}):{lines}"
        else:
            room = f"; {series.text}" if series else ""
            by = f"{collector} ({collector_binary.version(collector)})"
            text = f"{variant.stem}: OK; {by} accepts its configuration{room}"
        return cls(variant, problems, text, budget=series)

    @classmethod
    def of_file(cls, variant: Variant, wrong: InvalidDocumentError) -> CheckResult:
        """Return the result for a file or overrides that cannot be used."""
        return cls(variant, wrong.problems, str(wrong), wrong.name)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def document(self) -> dict[str, Any]:
        """Return the result for `--json`."""
        return {
            "environment": self.variant.name,
            "role": self.variant.role,
            "problems": [self._located(problem) for problem in self.problems],
            "budget": self.budget.document() if self.budget else None,
        }

    def _located(self, problem: Problem) -> dict[str, Any]:
        place = problem.place
        return {
            "message": problem.message,
            "file": (place and place.file) or self.file,
            "line": place.line if place else None,
            "column": place.column if place else None,
        }


def document(results: Sequence[CheckResult], collector: Path | None) -> dict[str, Any]:
    """Return the document of `--json`; `collector` is None if none was asked."""
    return {
        "ok": all(result.ok for result in results),
        "collector": str(collector) if collector else None,
        "environments": [result.document() for result in results],
    }
