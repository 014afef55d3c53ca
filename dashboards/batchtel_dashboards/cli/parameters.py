"""Options that several commands about boards and alerts have."""

from __future__ import annotations

from typing import Final

import click

from batchtel_dashboards.engines import ENGINES

AGGREGATION: Final = click.option(
    "--aggregation",
    type=click.Choice(list(ENGINES)),
    default="exact",
    show_default=True,
    help="How the collector adds up: `aggregation` of its environment.",
)
