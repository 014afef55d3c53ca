"""The commands `batchtel environments`, where the table of subcommands finds them."""

from batchtel_collector.cli.environments import environments

__all__ = ["environments"]
