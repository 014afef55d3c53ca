"""Options that several commands have."""

from __future__ import annotations

import click

from batchtel_collector.environment import layers

environment_option = click.option(
    "--env",
    "environment",
    required=True,
    metavar="NAME|FILE",
    help="A shipped environment such as local, or a file such as ./production.yaml.",
)
role_option = click.option("--role", type=click.Choice(layers.ROLES), help="The role; the file's own if not given.")
