"""The commands `batchtel config environments` and `batchtel config schema`."""

from __future__ import annotations

import json
from typing import Any

import click
import yaml

from batchtel.cli.main import Failure
from batchtel_collector.cli.errors import WRONG_INPUT, as_failures
from batchtel_collector.environment import layers, load
from batchtel_collector.environment import schema as json_schema
from batchtel_collector.environment.document import Document, Path, dotted


@click.command(epilog="Exit codes: 0 ok; 2 the environment is wrong.")
@click.argument("environment", metavar="[NAME|FILE]", required=False)
@click.option("--role", type=click.Choice(layers.ROLES), help="The role to print; the file's own if not given.")
@click.option("--origin", is_flag=True, help="Print for each value the file and line that set it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@as_failures()
def environments(environment: str | None, role: str | None, origin: bool, as_json: bool) -> None:
    """List the environments that come with batchtel: name, roles, purpose.

    With NAME or FILE, print that environment as one document: its base and the part of its role are merged into it.

    \b
    Examples:
      batchtel config environments
      batchtel config environments --json
      batchtel config environments ci --origin
      batchtel config environments production --role agent
      batchtel config environments ./mine.yaml --json
    """
    if environment is not None:
        _show(environment, role, origin, as_json)
    elif role is not None or origin:
        unused = "--role" if role is not None else "--origin"
        raise Failure(f"{unused} needs an environment; write: batchtel config environments NAME {unused}", WRONG_INPUT)
    else:
        _list(as_json)


@click.command(epilog="Exit codes: 0 ok.")
def schema() -> None:
    """Print the JSON Schema of environment files, for completion and checks in editors.

    \b
    Examples:
      batchtel config schema > environment.schema.json
      # first line of the file:  # yaml-language-server: $schema=./environment.schema.json
    """
    click.echo(json_schema.text(), nl=False)


def _list(as_json: bool) -> None:
    rows = [_row(name) for name in layers.shipped()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']:<12} {', '.join(row['roles']):<16} {row['about']}")


def _show(environment: str, role: str | None, origin: bool, as_json: bool) -> None:
    read = load.read(environment)
    read.environment(role)  # nothing is printed of an invalid one
    merged = read.settled(role)
    if as_json:
        click.echo(json.dumps(_origins(merged) if origin else merged.data, indent=2, ensure_ascii=False))
    elif origin:
        rows = _origins(merged)
        name_width = max(len(row["key"]) for row in rows)
        value_width = max(len(row["value"]) for row in rows if len(row["value"]) <= 60)
        for row in rows:
            click.echo(f"{row['key']:<{name_width}}  {row['value']:<{value_width}}  {row['origin']}")
    else:
        click.echo(yaml.safe_dump(merged.data, sort_keys=False, allow_unicode=True, width=120), nl=False)


def _row(name: str) -> dict[str, Any]:
    read = load.read(name)
    about = read.text.splitlines()[0].removeprefix("# ").partition(". ")[0]
    return {"name": name, "roles": read.roles, "about": about.rstrip(".")}


def _origins(merged: Document) -> list[dict[str, str]]:
    return [
        {"key": dotted(path), "value": json.dumps(value, ensure_ascii=False), "origin": _origin(merged, path)}
        for path, value in _leaves(merged.data, ())
    ]


def _leaves(data: object, path: Path) -> list[tuple[Path, object]]:
    if isinstance(data, dict) and data:
        return [leaf for key, value in data.items() for leaf in _leaves(value, (*path, key))]
    return [(path, data)]


def _origin(merged: Document, path: Path) -> str:
    place = merged.values.get(path)
    return f"{place.file}:{place.line}" if place else "--role"
