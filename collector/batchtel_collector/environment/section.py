"""The strict base of every group of keys in an environment file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """No unknown key, no number where text belongs; the examples are part of the error messages."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
