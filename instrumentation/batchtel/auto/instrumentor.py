"""A whole program as one run, without a line of code: `opentelemetry-instrument python job.py`.

An instrumentor and neither a distro nor a configurator: of those the first one found configures every program of its
environment.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Collection
from typing import Any, Final

from opentelemetry._logs import get_logger_provider
from opentelemetry.instrumentation import auto_instrumentation
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from batchtel.auto.launcher import records_its_run
from batchtel.auto.program_end import ProgramEnd, program_folder, program_name
from batchtel.base import kept_modules, run_environment
from batchtel.base.guard import harmless
from batchtel.base.identity import default_job
from batchtel.runs import current, run_mark
from batchtel.runs.joined_run import joined, resumed
from batchtel.runs.run import Run
from batchtel.runs.scope import Scope
from batchtel.telemetry.process import telemetry


class BatchtelInstrumentor(BaseInstrumentor):  # type: ignore[misc,unused-ignore]
    """Records the program that instruments itself, from here to its end, as a run.

    A program that was started by a run is no run of its own: its log records and spans belong to that one. The job is
    BATCHTEL_JOB, else OTEL_SERVICE_NAME, else the CronJob of the pod, else the script.
    """

    _mark: run_environment.EnvironmentPatch | None = None
    _run: Scope | None = None
    _end: ProgramEnd | None = None
    _process = 0

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no requirement: a program is there by itself."""
        return ()

    @harmless(None)
    def _instrument(self, **kwargs: Any) -> None:
        if records_its_run(sys.orig_argv):
            return
        self._process = os.getpid()
        self._mark = _keep_off_the_root_logger()
        with kept_modules.apart_from(program_folder(sys.orig_argv)):
            self._run = _run_of_this_program()
            self._end = ProgramEnd()
        # After the telemetry of the run has registered its own, so that it runs before that.
        atexit.register(self._finish)

    def _uninstrument(self, **kwargs: Any) -> None:
        atexit.unregister(self._finish)
        self._finish()

    @harmless(None)
    def _finish(self) -> None:
        if self._run is None or self._end is None or self._process != os.getpid():
            return
        self._run.close(self._end.outcome())
        self._end.stop()
        self._run = None
        if self._mark is not None:
            self._mark.restore()


def _keep_off_the_root_logger() -> run_environment.EnvironmentPatch | None:
    """Leave the root logger of a program without handlers as it is, unless the program has a log pipeline of its own.

    opentelemetry-instrumentation-logging, which comes with us, instruments itself, too: its handler on the root logger,
    with nowhere to send to, would silence the program's warnings (`logging.lastResort`) and its basicConfig(). It may
    be loaded before or after us.
    """
    variable = "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION"
    sdk = sys.modules.get("opentelemetry.sdk._logs")
    if variable in os.environ or (sdk is not None and isinstance(get_logger_provider(), sdk.LoggerProvider)):
        return None
    for handler in _stock_handlers():
        logging.root.removeHandler(handler)
    return run_environment.EnvironmentPatch({variable: "false"})


@harmless(None)
def send_no_record_twice() -> None:
    """Keep records that we send, with their run, from the program's own log pipeline if that leads to the same place.

    It does with opentelemetry-distro, whose exporter reads the same variables. Called when all instrumentors are loaded
    (entry point `opentelemetry_post_instrument`): the handler of the pipeline comes with one, before us or after.
    """
    process = telemetry() if BatchtelInstrumentor().is_instrumented_by_opentelemetry else None
    if process is None or not process.settings.logs_endpoint or process.settings.logs_exporter not in _OTLP:
        return
    from batchtel.telemetry.logs import is_left_to_others

    for handler in _stock_handlers():
        handler.addFilter(is_left_to_others)
        process.leave_rest_of_log()


@harmless(None)
def instrument_programs_that_follow() -> None:
    """Let programs that this one starts or becomes be instrumented, too, as OpenTelemetry 0.63b0 does by itself.

    Earlier versions remove their folder from PYTHONPATH for good, so that a program is not recorded after an exec, and
    no worker of loky finds the run that it works for.
    """
    loaded = getattr(sys.modules.get("sitecustomize"), "__file__", None)
    folder = os.path.dirname(os.path.abspath(auto_instrumentation.__file__))
    if loaded is None or os.path.dirname(os.path.abspath(loaded)) != folder:
        return
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if folder not in entries:
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, *filter(None, entries)])


_OTLP: Final = ("otlp", "otlp_proto_grpc", "otlp_proto_http")
"""Values of OTEL_LOGS_EXPORTER for a pipeline with no exporter but one for OTLP."""


def _stock_handlers() -> list[logging.Handler]:
    """Return the handlers of opentelemetry-instrumentation-logging on the root logger."""
    loaded = sys.modules.get("opentelemetry.instrumentation.logging.handler")
    found = logging.root.handlers if loaded is not None else []
    return [handler for handler in found if loaded is not None and isinstance(handler, loaded.LoggingHandler)]


def _run_of_this_program() -> Scope:
    """Begin the run of this program, or its part in the one that has started it."""
    elsewhere, own = run_environment.inherited(), run_environment.own()
    if elsewhere is not None:
        scope = Scope(joined(elsewhere.job, elsewhere.type, elsewhere.run_id, elsewhere.attempt))
        scope.begin(outer=current.outer())
        return scope
    job = default_job(program_name(sys.orig_argv), run_environment.without_open_run())
    run = Run(job) if own is None else resumed(own)
    run.sla.code_reports = False
    return run_mark.begin(run, outer=current.outer()) if own is None else run_mark.resume(own, run)
