"""The commands `batchtel render` and `batchtel check`, where the table of subcommands finds them."""

from batchtel_collector.cli.check import check
from batchtel_collector.cli.render import render

__all__ = ["check", "render"]
