"""What stands for anything of batchtel where nothing can be made any more, so that the job's code goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final


class Ignoring:
    """A run, a step, and what makes them: ignores what it is given, and lets decorated functions be.

    It stands where not even an unrecorded run can be made: a test of the job has replaced what that needs, or the
    interpreter is torn down and imports nothing.
    """

    name = "unknown"
    run_id = trace_id = ""
    attempt = 1
    newest_data = None

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return a function that ignores what it is given."""
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None

    def __call__(self, function: Any = None, *unused: Any, **ignored: Any) -> Any:
        """Return a function that is decorated as it is, and itself for anything else."""
        return function if callable(function) else self

    def __enter__(self) -> Ignoring:
        return self

    def __exit__(self, *unused: object) -> None:
        pass

    async def __aenter__(self) -> Ignoring:
        return self

    async def __aexit__(self, *unused: object) -> None:
        pass


IGNORING: Final = Ignoring()
"""The only one: it has no state."""
