"""What an opening needs of the time in which a run or a step is open, recorded or not."""

from __future__ import annotations

from typing import Protocol


class OpenScope(Protocol):
    """The time in which a run or a step is open, recorded or not."""

    def resume(self) -> None:
        """Make it the current one of this context."""

    def leave(self) -> None:
        """Make the nearest open one around the current one; it may stay open."""

    def end(self, exception: BaseException | None) -> None:
        """Close it with the outcome of `exception`, success if that is None."""

    def cancel(self, reason: str) -> None:
        """Close it as cancelled."""
