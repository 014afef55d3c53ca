"""What the texts of alerts about jobs have in common; templates of Prometheus."""

from __future__ import annotations

from typing import Final

JOB: Final = "{{ $labels.job_name }}"
"""The name of the job."""

WHERE: Final = "service {{ $labels.job }}{{ with $labels.deployment_environment_name }}, environment {{ . }}{{ end }}"
"""Service and environment: one name in two of them is two jobs."""


def duration(seconds: int) -> str:
    """Return seconds as people write them, such as `1d 1h`."""
    parts = ((seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s"))
    return " ".join(f"{count}{unit}" for count, unit in parts if count)
