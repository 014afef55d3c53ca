"""One opening of a job or step, from the start of its scope to the end of the scope's work."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Generic, TypeVar

from batchtel.runs import unfinished
from batchtel.runs.scope import Scope

Entered = TypeVar("Entered", bound=Scope)


class Opened(Generic[Entered]):
    """One opening of a definition; `joined` means that the scope was open before and stays open after."""

    def __init__(self, scope: Entered, *, joined: bool) -> None:
        self.scope = scope
        self._joined = joined
        self._is_pending = False

    def until(self, result: Any) -> Any:
        """Return `result`; if it is work that goes on, what stands for it, and stay open until that has ended."""
        standing_in = None if self._joined else unfinished.hold(self, result)
        self._is_pending = standing_in is not None
        return standing_in if self._is_pending else result

    def resume(self) -> None:
        """Make the scope the current one again, and end it with the block that follows."""
        self._is_pending = False
        self.scope.resume()

    def __enter__(self) -> Entered:
        return self.scope

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_pending:
            self.scope.leave()
        elif not self._joined:
            self.scope.end(exception)
