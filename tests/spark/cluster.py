"""A Spark cluster on loopback: a master and two workers, each with an address of its own, as Spark has them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from batchtel_stack.ports import free
from tests.spark.drivers import Spark
from tests.support.polling import until

SECONDS: Final = 60.0


@contextmanager
def running(spark: Spark, folder: Path) -> Iterator[str]:
    """Run a cluster in a `with` block; gives the address of its master."""
    (port,) = free(1)
    master = f"spark://127.0.0.1:{port}"
    with ExitStack() as programs:
        log = programs.enter_context(
            _program(spark, folder / "master", "master.Master", "127.0.0.1", "--port", str(port))
        )
        until("the master", lambda: "New state: ALIVE" in log.read_text() or None, SECONDS, log.read_text)
        for number in (2, 3):
            # Spark runs no task a second time on the same host.
            host = f"127.0.0.{number}"
            given = ("--cores", "1", "--memory", "1g", "--work-dir", str(folder / host), master)
            programs.enter_context(_program(spark, folder / f"worker-{number}", "worker.Worker", host, *given))
        until("two workers", lambda: log.read_text().count("Registering worker") == 2 or None, SECONDS, log.read_text)
        yield master


@contextmanager
def _program(spark: Spark, place: Path, name: str, host: str, *arguments: str) -> Iterator[Path]:
    place.mkdir()
    log = place / "log"
    # Without the tests' configuration, which keeps a program silent; what it prints is read here.
    own = {"SPARK_CONF_DIR": str(place), "SPARK_LOCAL_IP": host, "SPARK_DAEMON_MEMORY": "256m"}
    command = ["spark-class", f"org.apache.spark.deploy.{name}", "--host", host, "--webui-port", "0", *arguments]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=spark.environment(own), stdout=file, stderr=file, start_new_session=True
        )
        try:
            yield log
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
