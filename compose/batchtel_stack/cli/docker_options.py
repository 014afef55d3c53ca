"""The options of `batchtel stack` that go with --docker, and those that do not."""

from __future__ import annotations

from typing import Final

import click
from click.core import ParameterSource

from batchtel.cli.main import Failure
from batchtel_stack import container_files

_WITHOUT: Final = {
    True: {
        "data": "--data does not go with --docker, where data is in volumes; leave it out",
        "environment": "--env does not go with --docker, where the collector reads "
        f"{container_files.folder()}/configuration/PROFILE/collector.yaml; leave it out, and change that file: "
        "docs/operations/docker.md",
    },
    False: {"profile": "--profile goes with --docker only; add --docker, or leave it out"},
}
"""With --docker, or without -> the parameters that cannot be given, and why."""


def require_fitting(context: click.Context, in_containers: bool) -> None:
    """Do nothing if the options of a command line go with --docker, or without it.

    Raises:
        Failure: the message has each that does not, and what to do.
    """
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if problems := [message for name, message in _WITHOUT[in_containers].items() if name in given]:
        raise Failure("\n".join(problems), 2)
