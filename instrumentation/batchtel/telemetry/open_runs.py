"""The runs and steps of this process, as far as its telemetry asks for them; they are made in a layer above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from batchtel.base.outcome import Outcome
from batchtel.telemetry.run_log import RunLog


class Data(Protocol):
    """The part of a run's data that lists the processes which send its log records."""

    def attend(self) -> None:
        """Report that this process sends its log records itself."""

    def has_sender(self, process: int) -> bool:
        """Whether the process of that id has reported so."""


class Run(Protocol):
    """A run, as far as it was recorded in this process."""

    @property
    def name(self) -> str:
        """Name of its job."""

    @property
    def run_id(self) -> str:
        """Its id."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Attributes of every log record of it."""

    @property
    def context(self) -> Any:
        """The OpenTelemetry context with its span; None if nothing is recorded."""

    @property
    def data(self) -> Data:
        """The processes that send log records of it."""

    @property
    def log(self) -> RunLog:
        """The limit of its log records."""


class Scope(Protocol):
    """A run or a step, while it is open."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Attributes of every log record of it."""

    @property
    def is_apart(self) -> bool:
        """Whether it is looked up each time instead of being the current one of a context."""

    @property
    def is_run(self) -> bool:
        """Whether it is a run, and no step."""

    @property
    def span_context(self) -> Any:
        """The OpenTelemetry SpanContext of its span; None if nothing is recorded."""

    @property
    def job(self) -> Run:
        """The run that it is or belongs to."""

    def beat(self) -> None:
        """Report its heartbeat."""

    def close(self, outcome: Outcome) -> None:
        """End it."""


class Source(Protocol):
    """The module that has them, `batchtel.runs.current`."""

    def scope(self) -> Scope | None:
        """Return the innermost one that the code which runs now belongs to."""

    def open_scopes(self) -> Sequence[Scope]:
        """Return those that are open, in the order of their start."""

    def recorded_scopes(self) -> Sequence[Scope]:
        """Return the open ones, and the part of the process in a run around it."""


_source: Source | None = None


def provide(source: Source) -> None:
    """Ask `source` from now on; before, there are none."""
    global _source
    _source = source


def scope() -> Scope | None:
    """Return the innermost open run or step that the code which runs now belongs to, or None."""
    return _source.scope() if _source is not None else None


def open_scopes() -> Sequence[Scope]:
    """Return the open runs and steps of the process, in the order of their start."""
    return _source.open_scopes() if _source is not None else ()


def recorded_scopes() -> Sequence[Scope]:
    """Return the open ones, and the part of the process in a run around it."""
    return _source.recorded_scopes() if _source is not None else ()
