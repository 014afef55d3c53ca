"""Whose a job is: attributes of spans and events, and labels of metrics where an environment lists the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchtel.runs.scope import Scope

KEYS: Final = {"owner": "batch.job.owner", "team": "batch.job.team", "tag": "airflow.dag.tags"}
"""Label, of signals.JOB_LABELS -> attribute of the same content."""


def note(scope: Scope, **told: str) -> None:
    """Let a run, before it begins, carry what is told of `owner`, `team` and `tag`; what is known already stays."""
    for label, value in told.items():
        if value and label not in scope.labels:
            scope.labels[label] = value
            scope.identity[KEYS[label]] = value
