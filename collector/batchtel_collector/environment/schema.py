"""The JSON schema of environment files, for editors: completion, and a red line under what the model rejects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import batchtel_collector
from batchtel_collector.environment.layers import ROLES
from batchtel_collector.environment.model import Environment

FILE: Final = Path(batchtel_collector.__file__).parent / "environment.schema.json"
"""The schema as it is published."""


def text() -> str:
    """Return the schema as JSON text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the schema of one file: no key is required but `name`, since a base may have the others."""
    whole = Environment.model_json_schema(mode="validation")
    definitions = {name: _section(section) for name, section in whole.pop("$defs").items()}
    keys = whole["properties"]
    part = {"type": "object", "additionalProperties": False, "properties": keys}
    about_layers = {
        "base": {"type": "string", "description": "environment that this one starts from: a shipped name, or a file"},
        "roles": {
            "type": ["object", "null"],
            "description": "what differs for one role; put over the other keys; null: none of the base's parts",
            "additionalProperties": False,
            "properties": {role: {"$ref": "#/$defs/Part"} for role in ROLES},
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "batchtel environment",
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": about_layers | keys,
        "$defs": definitions | {"Part": part},
    }


def _section(section: dict[str, Any]) -> dict[str, Any]:
    # Half a section is valid where a base has the other half; the model validates the whole.
    return {key: value for key, value in section.items() if key != "required"}
