"""Make batch jobs report what they really did, over OpenTelemetry.

    import batchtel

    with batchtel.job("nightly_etl", type="etl") as job:
        with batchtel.step("extract") as step:
            step.records(read=100)
        job.records(processed=98, failed=2)

OpenTelemetry's own variables are the configuration: OTEL_EXPORTER_OTLP_ENDPOINT says where the collector listens.
Nothing here raises into the job, prints to stdout, or keeps the process alive.
"""

from batchtel.definition import Job, Step, current_job, current_step, job, step
from batchtel.process import flush
from batchtel.retry import retry
from batchtel.run import JobRun
from batchtel.step_run import StepRun
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
