"""The commands `batchtel environments list`, `show` and `schema`."""

from __future__ import annotations

import json
from typing import Any

import click
import yaml

from batchtel_collector.cli.errors import as_failures
from batchtel_collector.environment import layers, load, schema
from batchtel_collector.environment.document import Document, Path, dotted


@click.group()
def environments() -> None:
    """Look at the environments that a configuration can be rendered for.

    \b
    Examples:
      batchtel environments list
      batchtel environments show production --origin
      batchtel environments schema > environment.schema.json
    """


@environments.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@as_failures()
def list_environments(as_json: bool) -> None:
    """List the environments that come with batchtel, their roles, and what each is for.

    \b
    Examples:
      batchtel environments list
      batchtel environments list --json
    """
    rows = [_row(name) for name in layers.shipped()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']:<12} {', '.join(row['roles']):<16} {row['about']}")


@environments.command()
@click.argument("environment", metavar="NAME|FILE")
@click.option("--role", type=click.Choice(layers.ROLES), help="The role to show; the file's own if not given.")
@click.option("--origin", is_flag=True, help="Say for each value which file and line has set it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@as_failures()
def show(environment: str, role: str | None, origin: bool, as_json: bool) -> None:
    """Print an environment with its base and the part of its role put together.

    \b
    Examples:
      batchtel environments show ci --origin
      batchtel environments show production --role agent
      batchtel environments show ./mine.yaml --json
    """
    read = load.read(environment)
    read.environment(role)  # nothing is shown of a wrong one
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


@environments.command("schema")
def print_schema() -> None:
    """Print the JSON schema of environment files, for editors.

    \b
    Examples:
      batchtel environments schema > environment.schema.json
      # first line of the file:  # yaml-language-server: $schema=./environment.schema.json
    """
    click.echo(schema.text(), nl=False)


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
