"""Drivers of a real Spark, in local mode and on loopback, each in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import spark_programs
from tests.support.process import environment

HERE: Final = Path(__file__).parent

VERSIONS: Final = ("4.1", pytest.param("3.5", marks=pytest.mark.versions))
"""What is tested: a folder each, with its lock; the second one is left out of the short form."""

SECONDS: Final = 120.0
"""How long a driver may last; it lasts about 15 s here."""


@dataclass(frozen=True)
class Driven:
    """A driver that has ended: its exit code, what it has printed, and how many seconds its process has lasted."""

    code: int
    stdout: str
    stderr: str
    seconds: float

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
        own = {
            "PATH": f"{spark_programs.programs(self.version)}{os.pathsep}{os.environ['PATH']}",
            **spark_programs.variables(self.version),
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        return environment(None, {**own, **variables})

    def drive(self, *command: str, **variables: str) -> Driven:
        """Run a command whose programs are those of this Spark, with only these variables of OpenTelemetry."""
        began = time.monotonic()
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
        return Driven(driver.returncode, stdout, stderr, time.monotonic() - began)

    def python(self, job: str, *arguments: str, **variables: str) -> Driven:
        """Run a job of `jobs` by Python."""
        return self.drive("python", job_file(job), *arguments, **variables)


def job_file(job: str) -> str:
    """Return the path of a job of `jobs`."""
    return str(HERE / "jobs" / f"{job}.py")
