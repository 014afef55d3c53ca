"""An application over Spark Connect, which shows its client no jobs and stages: tags and observations.

Each step gives the operations of its thread a tag with the id of its span (`SparkSession.addTag`), by which they are
found in the UI of the server and can be interrupted.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from batchtel.base.guard import harmless
from batchtel.runs.observers import OBSERVERS
from batchtel.runs.scope import Scope
from batchtel.spark import observations
from batchtel.spark.tags import tag_of


class ConnectObserver:
    """Follows `session`, a SparkSession of Spark Connect, up to the end of `root`."""

    def __init__(self, session: Any, root: Scope) -> None:
        self._session = session
        self._root = root
        self._process = os.getpid()
        self._observations: observations.Observations | None = None

    @harmless(None)
    def begin(self) -> None:
        """Follow steps from here on."""
        self._observations = observations.of_client()
        OBSERVERS.append(self)

    @harmless(None)
    def begun(self, scope: Scope) -> None:
        """Give the operations of this thread the tag of the step."""
        if not scope.is_run and scope.span_context is not None and self._process == os.getpid():
            # What has ended before this step is not observed in it.
            self._describe(scope.outer or self._root)
            self._session.addTag(tag_of(scope))

    @harmless(None)
    def ending(self, scope: Scope) -> None:
        """Add what was observed in the step."""
        if scope is self._root:
            self.finish()
        elif not scope.is_run and scope.span_context is not None and self._process == os.getpid():
            self._describe(scope)
            # Not there where the step ends in another thread, or where the job has cleared its tags.
            with contextlib.suppress(KeyError):
                self._session.removeTag(tag_of(scope))

    @harmless(None)
    def finish(self) -> None:
        """Follow no more."""
        if self not in OBSERVERS or self._process != os.getpid():
            return
        OBSERVERS.remove(self)
        self._describe(self._root, everywhere=True)
        if self._observations is not None:
            self._observations.close()

    def _describe(self, scope: Scope, *, everywhere: bool = False) -> None:
        if self._observations is not None and not scope.recorder.has_ended:
            observed = self._observations.ended(everywhere=everywhere)
            scope.recorded.description.put(observed, "observe()")
