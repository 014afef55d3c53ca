"""The SBOM of what is released, in CycloneDX: of the wheel with each extra, and of the collector.

`python -m tests.support.sbom FOLDER` writes one file for each beside the wheel in FOLDER. Tools make them: cyclonedx-py
from an environment with the locked packages, cyclonedx-gomod from the collector's module, with its build tags. Each
names the SHA-256 of its file. The same inputs make the same bytes: there is no time and no serial number in them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from batchtel.version import __version__
from batchtel_stack import build, toolchain
from batchtel_stack.binaries import COLLECTOR, Binary
from tests.support.uv import ROOT, uv

EXTRAS: Final = {"batchtel": (), "batchtel-platform": ("platform",), "batchtel-airflow": ("airflow",)}
"""Name of the SBOM -> extras of the wheel."""

COLLECTOR_SBOM: Final = "batchtel-collector"
"""Name of the SBOM of the collector."""

GOMOD: Final = Binary(
    name="cyclonedx-gomod",
    version="1.10.0",
    module=Path(__file__).parent / "go" / "cyclonedx-gomod",
    programs={"cyclonedx-gomod": "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod"},
)
"""The tool that reads Go modules and their licenses."""


def main(arguments: list[str]) -> int:
    """Write every SBOM into the folder named, which has the wheel; return the exit code."""
    (folder,) = map(Path, arguments)
    (wheel,) = folder.glob(f"batchtel-{__version__}-*.whl")
    for name, extras in EXTRAS.items():
        _write(folder, name, of_wheel(extras), wheel)
    _write(folder, COLLECTOR_SBOM, of_collector(), build.ensure([COLLECTOR])["collector"])
    return 0


def of_wheel(extras: tuple[str, ...]) -> dict[str, Any]:
    """Return the SBOM of the wheel: the locked packages that it needs, with these extras."""
    with tempfile.TemporaryDirectory() as place:
        named = [part for extra in extras for part in ("--extra", extra)]
        _run(
            [uv(), "sync", "--quiet", "--locked", "--no-default-groups", "--no-editable", *named],
            {**os.environ, "UV_PROJECT_ENVIRONMENT": place, "UV_PYTHON": sys.executable},
        )
        made = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--pyproject"]
        text = _run([*made, str(ROOT / "pyproject.toml"), place], dict(os.environ))
    return _of_version(json.loads(text))


def of_collector() -> dict[str, Any]:
    """Return the SBOM of the collector: the Go modules with a package in it, and Go's standard library."""
    program = build.ensure([GOMOD])["cyclonedx-gomod"]
    with tempfile.TemporaryDirectory() as place:
        # The tool reads versions of modules without one, which batchtel's own are, from the tags of a repository.
        tree = Path(place)
        shutil.copytree(COLLECTOR.module, tree / "distribution" / "module")
        for own in COLLECTOR.own:
            shutil.copytree(own, tree / "processors" / own.name)
        for module in (tree / "distribution" / "module", *(tree / "processors").iterdir()):
            shutil.copy(ROOT / "LICENSE", module)
        author = ["-c", "user.name=batchtel", "-c", "user.email=batchtel@localhost"]
        for command in (
            ["init", "--quiet"],
            ["add", "."],
            ["commit", "--quiet", "-m", "."],
            ["tag", f"v{__version__}"],
        ):
            _run(["git", "-C", place, *author, *command], dict(os.environ))
        go = str(toolchain.find(_notify).parent)
        environment = toolchain.environment()
        environment |= {"GOFLAGS": f"-tags={','.join(COLLECTOR.tags)}", "PATH": f"{go}{os.pathsep}{os.environ['PATH']}"}
        made = [
            str(program),
            "app",
            "-json",
            "-licenses",
            "-std",
            "-noserial",
            "-notimestamp",
            "-output-version",
            "1.6",
        ]
        text = _run([*made, str(tree / "distribution" / "module")], environment)
    return _of_version(json.loads(text))


def _of_version(sbom: dict[str, Any]) -> dict[str, Any]:
    sbom["metadata"]["component"]["version"] = __version__
    return sbom


def _write(folder: Path, name: str, sbom: dict[str, Any], released: Path) -> None:
    digest = hashlib.sha256(released.read_bytes()).hexdigest()
    sbom["metadata"]["component"]["hashes"] = [{"alg": "SHA-256", "content": digest}]
    file = folder / f"{name}-{__version__}.cdx.json"
    file.write_text(json.dumps(sbom, indent=2) + "\n", encoding="utf-8")
    sys.stderr.write(f"wrote {file}: {len(sbom['components'])} components\n")


def _notify(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _run(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
