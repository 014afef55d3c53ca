"""Three tasks that write all that a task can into its log, and end in three ways: the plugin must change none of it."""

from __future__ import annotations

import logging
import sys
import warnings
from datetime import UTC, datetime

from tests.airflow.authoring import AirflowSkipException, dag, task


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), tags=["batchtel"], default_args={"retries": 0})
def hosted() -> None:
    """Succeed, fail and skip."""

    @task
    def writes() -> dict[str, int]:
        sys.stdout.write("a line of stdout\n")
        sys.stderr.write("a line of stderr\n")
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger("hosted.own").log(level, "a record of level %d", level)
        warnings.warn("a warning of Python", stacklevel=1)
        try:
            raise KeyError("caught")
        except KeyError:
            logging.getLogger("hosted.own").exception("a record with a traceback")
        return {"rows": 7}

    @task
    def fails() -> None:
        raise ValueError("a defect of the job")

    @task
    def skips() -> None:
        raise AirflowSkipException("nothing to do")

    writes()
    fails()
    skips()


hosted()
