"""Who follows the runs and steps of this process: an integration that relates what it finds to the step that ran it."""

from __future__ import annotations

from typing import Any, Final, Protocol


class Observer(Protocol):
    """Follows the scopes of runs and steps; its methods raise nothing but what is the job's."""

    def begun(self, scope: Any) -> None:
        """Follow a run or a step from its start on, in the thread that has opened it."""

    def ending(self, scope: Any) -> None:
        """Add to a run or a step, which has ended and whose end is reported next."""


OBSERVERS: Final[list[Observer]] = []
"""Those of this process."""


def begun(scope: Any) -> None:
    """Call `begun` of each; what it raises is the job's."""
    for observer in tuple(OBSERVERS):
        observer.begun(scope)


def ending(scope: Any) -> None:
    """Call `ending` of each; what it raises is the job's."""
    for observer in tuple(OBSERVERS):
        observer.ending(scope)
