"""The command `batchtel env`, where the table of subcommands finds it."""

from batchtel_collector.cli.job_variables import env

__all__ = ["env"]
