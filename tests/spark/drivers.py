"""Drivers of a real Spark, in local mode and on loopback, each in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.installation import install
from tests.support.process import environment

HERE: Final = Path(__file__).parent

VERSIONS: Final = ("4.1", pytest.param("3.5", marks=pytest.mark.versions))
"""What is tested: a folder each, with its lock; the second one is left out of the short form."""

JAVA: Final = 17
"""What Spark 4 needs at least."""

SECONDS: Final = 120.0
"""How long a driver may last; it lasts about 15 s here."""


@dataclass(frozen=True)
class Driven:
    """A driver that has ended: its exit code, what it has printed, and the lines of JSON among that."""

    code: int
    stdout: str
    stderr: str

    @property
    def of_batchtel(self) -> list[str]:
        """The lines on standard error that name batchtel, but as a part of a path, as in a stack trace."""
        lines = (re.sub(r"[\w.-]*/[\w./-]+", "", line) for line in self.stderr.splitlines())
        return [line for line in lines if "batchtel" in line.lower()]

    @property
    def happened(self) -> dict[str, Any]:
        """What it has reported of itself."""
        lines = [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]
        return {key: value for line in lines for key, value in line.items()}


@dataclass(frozen=True)
class Spark:
    """A version of Spark, such as `4.1`."""

    version: str

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a program of this Spark, with only these variables of OpenTelemetry."""
        programs = install(HERE / self.version, f"spark-{self.version}")
        own = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYSPARK_PYTHON": str(programs / "python"),
            "SPARK_CONF_DIR": str(HERE / "conf"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        return environment(None, {**own, **variables})

    def drive(self, *command: str, **variables: str) -> Driven:
        """Run a command whose programs are those of this Spark, with only these variables of OpenTelemetry."""
        # A session of its own: the JVM of a driver that is killed or hangs ends with the test.
        with subprocess.Popen(
            command,
            env=self.environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as driver:
            try:
                stdout, stderr = driver.communicate(timeout=SECONDS)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(driver.pid, signal.SIGKILL)
        return Driven(driver.returncode, stdout, stderr)

    def python(self, job: str, *arguments: str, **variables: str) -> Driven:
        """Run a job of `jobs` by Python."""
        return self.drive("python", job_file(job), *arguments, **variables)


def job_file(job: str) -> str:
    """Return the path of a job of `jobs`."""
    return str(HERE / "jobs" / f"{job}.py")


def without_java(environ: Mapping[str, str] = os.environ) -> str:
    """Return why Spark cannot run here; empty if it can."""
    program = shutil.which("java", path=environ.get("PATH"))
    if program is None:
        return "java is not on PATH; install Debian's openjdk-17-jre-headless"
    printed = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', printed)
    return "" if found is not None and int(found[1]) >= JAVA else f"java on PATH is older than {JAVA}"
