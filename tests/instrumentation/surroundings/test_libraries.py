"""Libraries that change how a process logs, fails, waits or forks: the job notices nothing, and its run is correct."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.instrumentation.ways_in.command import Talking, call, instrumented
from tests.support.process import environment
from tests.support.sink import Sink

UNCAUGHT = "raise ValueError('no rows')"


class Job(NamedTuple):
    """A program, and what is expected of it: its exit code, status, error type and number of log records."""

    text: str
    code: int
    status: str
    error: str | None
    logs: int


SENTRY = """
import logging, os, sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration
sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=lambda event: None, integrations=[LoggingIntegration()])
logging.warning("before")
"""

JOBS = {
    "sentry-sdk": Job(f"{SENTRY}logging.error('late')\n{UNCAUGHT}", 1, "failure", "ValueError", 2),
    "sentry-sdk, forked": Job(
        f"""{SENTRY}
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(logging.warning, ["a", "b", "c"])
    pool.close()
    pool.join()
raise SystemExit(3)
""",
        3,
        "failure",
        "SystemExit",
        4,
    ),
    "loguru": Job(
        f"from loguru import logger\n@logger.catch(reraise=True)\ndef main():\n {UNCAUGHT}\nmain()",
        1,
        "failure",
        "ValueError",
        0,
    ),
    "structlog": Job(
        f"""
import logging, structlog
logging.basicConfig(format="%(message)s")
structlog.configure(
    processors=[structlog.stdlib.render_to_log_kwargs], logger_factory=structlog.stdlib.LoggerFactory()
)
structlog.get_logger().warning("late", order="A17")
{UNCAUGHT}
""",
        1,
        "failure",
        "ValueError",
        1,
    ),
    "click": Job(
        """
import click
@click.command()
def main():
    raise click.ClickException("no rows")
main()
""",
        1,
        "failure",
        "SystemExit",
        0,
    ),
    "typer": Job(f"import typer\ndef main():\n {UNCAUGHT}\ntyper.run(main)", 1, "failure", "ValueError", 0),
    "rich": Job(
        f"""
import logging, rich.logging, rich.traceback
rich.traceback.install()
logging.basicConfig(handlers=[rich.logging.RichHandler(show_time=False)])
logging.warning("late")
{UNCAUGHT}
""",
        1,
        "failure",
        "ValueError",
        1,
    ),
    "joblib": Job(
        """
import logging
from joblib import Parallel, delayed
Parallel(n_jobs=2)(delayed(logging.warning)(name) for name in "abc")
raise SystemExit(3)
""",
        3,
        "failure",
        "SystemExit",
        3,
    ),
    "uvloop": Job(
        """
import asyncio, logging, uvloop
async def main():
    await asyncio.gather(*(asyncio.to_thread(logging.warning, name) for name in "abc"))
    raise ValueError("no rows")
uvloop.run(main())
""",
        1,
        "failure",
        "ValueError",
        3,
    ),
    "trio": Job(
        f"""
import logging, trio
async def main():
    await trio.to_thread.run_sync(logging.warning, "late")
    {UNCAUGHT}
trio.run(main)
""",
        1,
        "failure",
        "ValueError",
        1,
    ),
}


@pytest.mark.parametrize("library", JOBS)
@pytest.mark.compatible(
    "Libraries",
    "sentry-sdk, loguru, structlog, click, typer, rich, joblib, uvloop, trio",
    "the run as it ends, each log record once",
)
def test_a_library_in_an_instrumented_program(sink: Sink, tmp_path: Path, library: str) -> None:
    """Exit code and output are those without batchtel; status, error and log records are the right ones."""
    job = JOBS[library]
    (tmp_path / "job.py").write_text(job.text)
    variables = {"NO_COLOR": "1", "COLUMNS": "100", "BATCHTEL_EXIT_TIMEOUT": "20"}
    plain = call([sys.executable, "job.py"], None, variables, cwd=tmp_path)
    recorded = call(instrumented("job.py"), sink, {**variables, "BATCHTEL_JOB": "job"}, cwd=tmp_path)
    assert plain.returncode == job.code, plain.stderr.decode()
    assert (recorded.returncode, recorded.stdout) == (plain.returncode, plain.stdout)
    assert _comparable(recorded.stderr) == _comparable(plain.stderr)
    assert sink.total("batch.job.runs.started") == 1
    [ended] = [point.attributes for point in sink.points("batch.job.completions") if point.value]
    assert (ended["status"], ended.get("error_type")) == (job.status, job.error)
    assert len([log for log in sink.logs() if not log.event]) == job.logs


def _comparable(output: bytes) -> list[str]:
    """Return the lines, in no order, for workers write at the same time, without times, addresses and processes."""
    lines = re.sub(r"0x[0-9a-f]+", "N", output.decode()).splitlines()
    return sorted(line for line in lines if "process '" not in line and " | ERROR" not in line)


CELERY = """
import logging, os, celery
import batchtel

app = celery.Celery("app", broker="filesystem://", backend=None)
folder = os.environ["FOLDER"]
app.conf.broker_transport_options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder}
app.conf.worker_hijack_root_logger = True

@app.task
def load(number):
    with batchtel.job("load") as job:
        logging.getLogger("load").warning("row %d", number)
        job.records(processed=1)
        if number == 2:
            raise ValueError(number)
"""


@pytest.fixture
def celery(sink: Sink, tmp_path: Path) -> Iterator[Talking]:
    """A worker with two processes that has four tasks to do."""
    (tmp_path / "app.py").write_text(CELERY)
    (tmp_path / "queue").mkdir()
    variables = {"FOLDER": str(tmp_path / "queue"), "PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    sending = "import app\nfor number in range(4): app.load.delay(number)"
    sent = call([sys.executable, "-c", sending], None, variables)
    assert sent.returncode == 0, sent.stderr
    worker = "celery -A app worker --concurrency 2 --loglevel WARNING --without-mingle --without-gossip"
    with Talking(
        instrumented("-m", *worker.split()), sink, env=environment(sink, variables), cwd=tmp_path, stderr=-2
    ) as talking:
        yield talking


@pytest.mark.compatible(
    "Libraries",
    "celery with prefork workers",
    "each task that opens a job; the worker itself is a run",
)
def test_tasks_of_celery(sink: Sink, celery: Talking) -> None:
    """Each task is a run of its own in the worker's process; the worker, a run itself, ends as ever by SIGTERM."""
    while sum("row " in line for line in celery.seen) < 4:
        celery.line("four tasks", timeout=60)
    celery.process.terminate()
    assert celery.end() == 0, celery.seen
    assert sink.total("batch.job.runs.started", job_name="load") == 4
    assert sink.total("batch.job.completions", job_name="load", status="success") == 3
    assert sink.total("batch.job.completions", job_name="load", status="failure", error_type="ValueError") == 1
    assert sink.total("batch.job.records.processed", job_name="load") == 4
    assert len([log for log in sink.logs() if log.scope == "load"]) == 4
