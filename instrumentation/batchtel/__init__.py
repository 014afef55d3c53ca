"""Make batch jobs report what they really did, over OpenTelemetry.

    import batchtel

    with batchtel.job("nightly_etl", type="etl") as job:
        with batchtel.step("extract") as step:
            step.records(read=100)
        job.records(processed=98, failed=2)

OpenTelemetry's own variables are the configuration: OTEL_EXPORTER_OTLP_ENDPOINT is the address of the collector.
Nothing here raises into the job, prints to stdout, or keeps the process alive.
"""

from typing import TYPE_CHECKING

from batchtel.base.process_exit import in_workers
from batchtel.base.public_names import importer

if TYPE_CHECKING:
    from batchtel.runs.api import Job, Step, current_job, current_step, job, step
    from batchtel.runs.job_run import JobRun
    from batchtel.runs.retry import retry
    from batchtel.runs.step_run import StepRun
    from batchtel.telemetry.process import flush
    from batchtel.version import __version__

__all__ = [
    "Job",
    "JobRun",
    "Step",
    "StepRun",
    "__version__",
    "current_job",
    "current_step",
    "flush",
    "job",
    "retry",
    "step",
]

_HOMES = {
    "Job": "runs.api",
    "JobRun": "runs.job_run",
    "Step": "runs.api",
    "StepRun": "runs.step_run",
    "__version__": "version",
    "current_job": "runs.api",
    "current_step": "runs.api",
    "flush": "telemetry.process",
    "job": "runs.api",
    "retry": "runs.retry",
    "step": "runs.api",
}


__getattr__ = importer(globals(), _HOMES)


def _capture_logs_of_a_worker() -> None:
    """Copy the log records of a worker to the run that is open where it was started, if there is one."""
    from batchtel.schema import settings

    own = settings.read()
    if own.has_endpoint and not own.disabled:
        from batchtel.runs import current  # noqa: F401  # by which telemetry finds the run of a record
        from batchtel.telemetry.log_hook import HOOK

        HOOK.install()


in_workers(_capture_logs_of_a_worker)


def __dir__() -> list[str]:
    return sorted(__all__)
