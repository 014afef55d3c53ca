"""What runs and steps have in common as the code of a job sees them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from batchtel.base.calls import public
from batchtel.base.guard import warn_once

if TYPE_CHECKING:
    from batchtel.runs.run import Run
    from batchtel.runs.step import Step


class Handle:
    """A run or a step as the code of a job sees it; what is recorded of it is elsewhere."""

    def __init__(self, recorded: Run | Step) -> None:
        self._recorded = recorded

    def __dir__(self) -> list[str]:
        """Return the names that a job's code may use, for completion."""
        return sorted(name for name in super().__dir__() if not name.startswith("_"))

    @property
    def name(self) -> str:
        """Name of the job or the step."""
        return self._recorded.recorder.name

    @property
    def trace_id(self) -> str:
        """Id of the trace, 32 hexadecimal digits; empty if nothing is recorded."""
        return self._recorded.recorder.trace_id

    def _has_ended(self, method: str) -> bool:
        """Whether it has ended, so that nothing can be recorded any more; that is reported once."""
        recorder = self._recorded.recorder
        if recorder.has_ended:
            what = "step" if recorder.level == "step" else "run"
            warn_once(
                f"ended:{what}.{method}", "%s() is called after the end of the %s, so it is ignored", method, what
            )
        return recorder.has_ended

    @public(None, call='set(rows=3) or set({"my.rows": 3})')
    def set(self, attributes: Mapping[str, object] | None = None, /, **more: object) -> None:
        """Put attributes of your own on the span and the finished event, at most 64; they never become labels."""
        if self._has_ended("set"):
            return
        self._recorded.description.set(attributes, more)

    @public(None, call='inputs("orders.csv", "prices.csv")')
    def inputs(self, *names: str | os.PathLike[str]) -> None:
        """Name what is read: files, tables, topics; at most 100, each once and cut at 256 characters."""
        if self._has_ended("inputs"):
            return
        self._recorded.description.inputs(names)

    @public(None, call='outputs("orders.parquet")')
    def outputs(self, *names: str | os.PathLike[str]) -> None:
        """Name what is written; at most 100, each once and cut at 256 characters."""
        if self._has_ended("outputs"):
            return
        self._recorded.description.outputs(names)

    @public(None, call='skipped("no new files")')
    def skipped(self, reason: str = "") -> None:
        """Report that there was nothing to do: without an exception this ends as `skipped`, not as a success."""
        if self._has_ended("skipped"):
            return
        self._ends_as("skipped", reason)

    @public(None, call='timed_out("the query ran over an hour")')
    def timed_out(self, reason: str = "") -> None:
        """Report that its own time limit has passed: this ends as `timeout`, with an exception or without."""
        if self._has_ended("timed_out"):
            return
        self._ends_as("timeout", reason)

    def _ends_as(self, status: str, reason: object) -> None:
        if self._recorded.reporting.end == "whole":
            self._recorded.description.ends_as(status, reason)
        else:
            warn_once(
                f"joined:{status}", "the run was opened by another process; only that one can end it as %s", status
            )
