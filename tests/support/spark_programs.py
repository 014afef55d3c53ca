"""The programs of a real Spark, which need Java."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.installation import ROOT, install

FOLDER: Final = ROOT / "tests" / "spark"
"""A folder for each version, with its lock."""

JAVA: Final = 17
"""What Spark 4 needs at least."""


def programs(version: str) -> Path:
    """Return the folder of programs of Spark `version`, such as `4.1`."""
    return install(FOLDER / version, f"spark-{version}")


def variables(version: str) -> dict[str, str]:
    """Return the environment variables of a driver: the Python of this Spark, loopback, little output."""
    return {
        "PYSPARK_PYTHON": str(programs(version) / "python"),
        "SPARK_CONF_DIR": str(FOLDER / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def without_java(environ: Mapping[str, str] = os.environ) -> str:
    """Return why Spark cannot run here; empty if it can."""
    program = shutil.which("java", path=environ.get("PATH"))
    if program is None:
        return "java is not on PATH; install Debian's openjdk-17-jre-headless"
    printed = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', printed)
    return "" if found is not None and int(found[1]) >= JAVA else f"java on PATH is older than {JAVA}"
