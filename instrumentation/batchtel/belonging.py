"""Whose a job is: attributes of its spans and events, and labels of its metrics where an environment lists the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchtel.scope import Scope

KEYS: Final = {"owner": "batch.job.owner", "team": "batch.job.team", "tag": "airflow.dag.tags"}
"""Label -> attribute of the same content."""

LABELS: Final = tuple(KEYS)
"""What metrics carry on top of their labels in the table of signals; the collector takes it off unless it is asked for.

A value may be several, with commas between them: as a label it is the first of those that the environment lists.
"""


def note(scope: Scope, **told: str) -> None:
    """Let a run, before it begins, carry what is told of `owner`, `team` and `tag`; what is known already stays."""
    for label, value in told.items():
        if value and label not in scope.labels:
            scope.labels[label] = value
            scope.identity[KEYS[label]] = value
