"""The tags that steps give to what Spark runs for them, and the step that a job belongs to by its tags.

Spark hands the tags of a thread on to every job that one of its queries starts, in whatever thread
(`SparkContext.addJobTag`).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from batchtel.base.guard import of_job, warn_once
from batchtel.runs.scope import Scope
from batchtel.spark.status import has_pinned_threads

PREFIX: Final = "batchtel-"
"""How these tags begin."""

UNPINNED: Final = (
    "with PYSPARK_PIN_THREAD=false Spark does not show which thread has started a job, so all jobs and stages belong "
    "to the run, none to a step"
)


def tag_of(scope: Scope) -> str:
    """Return the tag of a step: the id of its span behind PREFIX."""
    return f"{PREFIX}{scope.span_context.span_id:016x}"


class Tagged(NamedTuple):
    """A step that has a tag, and the thread in which it has begun."""

    scope: Scope
    thread: int


class JobTags:
    """The tags of the steps of one SparkContext that are open, in the order of their starts."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._open: dict[str, Tagged] = {}

    def put(self, scope: Scope) -> bool:
        """Give the jobs that a step runs from here on, in this thread, its tag; return whether it has one.

        Raises:
            Exception: of py4j, where the JVM does not answer.
        """
        if not has_pinned_threads(self._context):
            warn_once("spark:threads", UNPINNED)
            return False
        thread = threading.get_ident()
        for tag in self._context.getJobTags():
            found = self._open.get(tag)
            if found is not None and found.thread != thread and not found.scope.closed:
                self._separate()
            elif tag.startswith(PREFIX) and (found is None or found.scope.closed):
                # Of a step that a signal, or another thread, has ended.
                self._context.removeJobTag(tag)
        self._context.addJobTag(tag_of(scope))
        self._open[tag_of(scope)] = Tagged(scope, thread)
        return True

    def _separate(self) -> None:
        """Give this thread properties of its own: PySpark gives all threads of one wrapped function the same ones.

        https://github.com/apache/spark/blob/v4.1.0/python/pyspark/util.py (inheritable_thread_target)
        """
        context = self._context._jsc.sc()
        context.setLocalProperties(context.getLocalProperties().clone())

    def remove(self, scope: Scope) -> None:
        """Give no job the tag of a step from here on, if this is its thread."""
        if self._open.pop(tag_of(scope), None) is not None and not _is_within_a_call():
            try:
                self._context.removeJobTag(tag_of(scope))
            except Exception as error:
                if (own := of_job(error, sys._getframe())) is not None:
                    raise own  # noqa: B904  # it was raised before `error`

    def scope_of(self, tags: Collection[str]) -> Scope | None:
        """Return the innermost step that a job with these tags belongs to; None if there is none.

        A thread may have the tags of the one that has started it: its own steps count. Steps of one thread that are
        not within each other are coroutines: the job is that of the step around them.
        """
        # A copy: another thread may begin a step.
        found = [tagged for tag, tagged in list(self._open.items()) if tag in tags]
        around = [list(scopes_around(each.scope)) for each in found if each.thread == found[-1].thread]
        longest = max(around, key=len, default=[])
        if all(each[0] in longest for each in around):
            return longest[0] if longest else None
        shared = (scope for scope in longest if all(scope in each for each in around))
        return next(shared, None)


def scopes_around(scope: Scope | None) -> Iterator[Scope]:
    """Return a scope and those around it, the innermost first."""
    while scope is not None:
        yield scope
        scope = scope.outer


def _is_within_a_call() -> bool:
    """Whether this thread is in a call of the JVM, as where a signal ends a step: there is no second one in it."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("py4j."):
            return True
        frame = frame.f_back  # type: ignore[assignment]  # None below the first one
    return False
