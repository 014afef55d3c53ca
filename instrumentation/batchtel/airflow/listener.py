"""The hooks that Airflow calls: in task processes they report the task, elsewhere they hand over to the helper.

One set of hooks serves 2.10 to 3.3: pluggy lets an implementation have fewer arguments than its specification, so the
`session` of Airflow 2 is left out, and accepts one without specification, as `skipped` is before 3.1.8.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, Final

import pluggy

from batchtel.base.guard import described, harmless, warn_once

hookimpl: Final = pluggy.HookimplMarker("airflow")
"""The mark that `airflow.listeners.hookimpl` is, too, which only the scheduler's half of Airflow has."""


def contained(hook: Callable[..., None]) -> Callable[..., None]:
    """Let nothing of ours out of a hook: Airflow 2 fails a task for an exception in `running`.

    That is true of any BaseException, for a defect here may raise anything; only a Ctrl-C goes on.
    """

    @functools.wraps(hook)
    def call(*args: Any, **kwargs: Any) -> None:
        try:
            hook(*args, **kwargs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            with contextlib.suppress(Exception):
                warn_once(f"airflow:{hook.__name__}", FAILED, hook.__name__, described(error))

    return call


FAILED: Final = "batchtel failed in %s and left the task alone; this is a defect of batchtel (%s)"

LOST: Final = (
    "Airflow sends its own spans by gRPC to %s, where HTTP is expected, and all of them are lost: set "
    "OTEL_TRACES_EXPORTER=otlp_proto_http for all processes of Airflow"
)


@harmless(None)
def _warn_of_lost_spans() -> None:
    """Warn once where Airflow's own spans are sent by gRPC to a port of HTTP.

    From 3.2 on Airflow uses the SDK's exporter `otlp`, which is gRPC's, and reads no OTEL_EXPORTER_OTLP_PROTOCOL.
    """
    from batchtel.runs.airflow_process import makes_spans

    if not makes_spans():
        return
    from opentelemetry import trace

    from batchtel.export.endpoint import GRPC, Endpoint
    from batchtel.schema import settings

    own = Endpoint.of("traces", settings.read())
    processors = getattr(trace.get_tracer_provider(), "_active_span_processor", None)
    for processor in getattr(processors, "_span_processors", ()):
        exporter = getattr(processor, "span_exporter", None)
        by_grpc = ".proto.grpc." in type(exporter).__module__
        address = str(getattr(exporter, "_endpoint", ""))
        if by_grpc and own is not None and own.protocol != GRPC and address and address in own.url:
            warn_once("airflow:grpc", LOST, address)


def set_by_hand(instance: Any) -> None:
    """Hand over that somebody has set the state of a task: Airflow gives no state before."""
    from batchtel.airflow import scheduler_hooks

    scheduler_hooks.state_set(instance, "set by hand")


class Listener:
    """Airflow's listener; imports what a hook needs when it is called, in the process that needs it."""

    @hookimpl
    @contained
    def on_starting(self, component: Any) -> None:
        """Import ahead: the scheduler comes here before it forks its workers, a task process before it runs a task."""
        from batchtel.airflow import preload

        preload.preload()
        from batchtel.runs.airflow_process import is_scheduler

        if is_scheduler():
            _warn_of_lost_spans()

    @hookimpl
    @contained
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Open the attempt."""
        from batchtel.airflow import task_attempt

        task_attempt.running(task_instance)

    @hookimpl
    @contained
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        """Close the attempt as success."""
        if previous_state is None:
            set_by_hand(task_instance)
            return
        from batchtel.airflow import task_attempt

        task_attempt.succeeded(task_instance)

    @hookimpl
    @contained
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        """Close the attempt as failed, be it to be tried again or not."""
        if previous_state is None:
            set_by_hand(task_instance)
            return
        from batchtel.airflow import task_attempt

        task_attempt.failed(task_instance, error)

    @hookimpl
    @contained
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        """Close the attempt as skipped."""
        if previous_state is None:
            set_by_hand(task_instance)
            return
        from batchtel.airflow import task_attempt

        task_attempt.skipped(task_instance)

    @hookimpl
    @contained
    def before_stopping(self, component: Any) -> None:
        """Leave a deferred or rescheduled attempt to the process that goes on with it."""
        from batchtel.airflow import task_attempt

        task_attempt.stopping()

    @hookimpl
    @contained
    def on_dag_run_running(self, dag_run: Any) -> None:
        """Hand over that a DAG run has started."""
        from batchtel.airflow import scheduler_hooks

        scheduler_hooks.run_started(dag_run)

    @hookimpl
    @contained
    def on_dag_run_success(self, dag_run: Any, msg: str) -> None:
        """Hand over that a DAG run has succeeded."""
        from batchtel.airflow import scheduler_hooks

        scheduler_hooks.run_ended(dag_run, msg or "")

    @hookimpl
    @contained
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:
        """Hand over that a DAG run has failed."""
        from batchtel.airflow import scheduler_hooks

        scheduler_hooks.run_ended(dag_run, msg or "")
