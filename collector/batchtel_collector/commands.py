"""The commands `batchtel render` and `batchtel check`, where the table of subcommands finds them."""

from batchtel_collector.cli.render import check, render

__all__ = ["check", "render"]
