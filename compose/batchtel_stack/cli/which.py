"""The options by which a command selects a job where several services or environments have it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import click

_F = TypeVar("_F", bound=Callable[..., Any])


class Where(NamedTuple):
    """A service as metrics have it, and an environment; None matches all."""

    service: str | None
    environment: str | None

    def __str__(self) -> str:
        """Return it as the end of a sentence, with a space before it; nothing if it matches all."""
        service = f" in the service {self.service!r}" if self.service is not None else ""
        return service + (f" in the environment {self.environment!r}" if self.environment is not None else "")


def of_where(function: _F) -> _F:
    """Add `--service` and `--deployment-environment` to a command, which gets `where`, a Where, instead."""

    @functools.wraps(function)
    def called(service: str | None, deployment_environment: str | None, **given: Any) -> Any:
        return function(where=Where(service, deployment_environment), **given)

    command: Any = called
    text = "Only of this environment, as jobs report it; --env names the stores."
    command = click.option("--deployment-environment", metavar="NAME", help=text)(command)
    text = "Only of this service, written as <namespace>/<name> if it has a namespace."
    return cast("_F", click.option("--service", metavar="NAME", help=text)(command))
