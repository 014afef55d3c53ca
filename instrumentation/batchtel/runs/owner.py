"""Owner, team and tag of a job: attributes of spans and events, and labels where an environment lists the values."""

from __future__ import annotations

from typing import Final

from batchtel.runs.recorder import Recorder

KEYS: Final = {"owner": "batch.job.owner", "team": "batch.job.team", "tag": "airflow.dag.tags"}
"""Label, of signals.JOB_LABELS -> attribute of the same content."""


def set_ownership(recorder: Recorder, **labels: str) -> None:
    """Set labels `owner`, `team` and `tag` of a run before it begins; existing values win, empty ones are skipped."""
    for label, value in labels.items():
        if value and label not in recorder.labels:
            recorder.labels[label] = value
            recorder.identity[KEYS[label]] = value
