"""Jobs whose names, log lines and errors try to become markup, to change a terminal, or to be too long for a page."""

from __future__ import annotations

import subprocess
from typing import Final

from batchtel_dashboards.stores import Wanted
from batchtel_stack.stack import Stack
from batchtel_stack.stores import Stores
from tests.support.polling import until
from tests.support.process import start
from tests.support.site import COMMAND

SERVICE: Final = "hostile"

JOB: Final = "<script>pwned=1</script>/../%2f'\"&?"
"""A job's name, as it is recorded: what is no printable character is replaced by a question mark."""

RUN: Final = "r/../<b>\"'%00?x=1#"
"""The id of its run."""

BYTES: Final = "bytes_job"
"""A command that prints what is no UTF-8."""

LINE: Final = 1_000_000
"""Characters of a log line."""

SCRIPT: Final = f"""
import logging, batchtel
logging.basicConfig(level=logging.INFO)
with batchtel.job({JOB!r}, type="etl") as job:
    job.records(processed=3)
    logging.warning('<img src=x onerror="pwned=2">')
    logging.info("\\x1b[31mred\\x1b[0m and \\x1b]0;title\\x07 \\u202ereversed")
    logging.info("x" * {LINE})
    with batchtel.step("</td><script>pwned=3</script>"):
        raise ValueError("</pre><script>pwned=4</script>\\nsecond line")
"""


def run(stack: Stack) -> None:
    """Run them, and wait until their ends are in the store of logs and their metrics in Prometheus."""
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http,
        "OTEL_SERVICE_NAME": SERVICE,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=<i>env</i>",
    }
    with start(SCRIPT, None, BATCHTEL_RUN_ID=RUN, **variables) as process:
        process.communicate(timeout=60)
    printed = ["sh", "-c", r"printf '\377\376 caf\351 \0 end\n'; printf '\033[1mbold\033[0m\n' >&2; exit 3"]
    subprocess.run(
        [COMMAND, "run", "--capture-output", "--job", BYTES, "--", *printed],
        env={"PATH": "/usr/bin:/bin", **variables},
        check=False,
    )
    until("the hostile jobs", lambda: _arrived(stack.stores) or None, 60)


def _arrived(stores: Stores) -> bool:
    ended = stores.logs[0].newest(Wanted(SERVICE, "batch.run.finished"), 0, 4102444800, 9)
    series = ('batch_job_completions_total{job="%s"}', 'batch_job_state_timestamp_seconds{job="%s", state="failure"}')
    counts = [len(stores.prometheus.query(f"{one % SERVICE} > 0")) for one in series]
    return len(ended) == 2 and counts == [2, 2]
