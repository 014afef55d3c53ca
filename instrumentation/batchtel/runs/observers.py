"""Who follows the runs and steps of this process: an integration that relates what it finds to the step that ran it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from batchtel.runs.scope import Scope


class Observer(Protocol):
    """Follows runs and steps; its methods raise nothing."""

    def begun(self, scope: Scope) -> None:
        """Follow a run or a step from its start on, in the thread that has opened it."""

    def ending(self, scope: Scope) -> None:
        """Add to a run or a step, which has ended and whose end is reported next."""


OBSERVERS: Final[list[Observer]] = []
"""Those of this process."""
