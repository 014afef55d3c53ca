"""The collector's committed module matches its manifest, and the programs are built of the same packages."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from batchtel_stack import distribution, toolchain
from batchtel_stack.binaries import BINARIES, COLLECTOR, JAEGER, PROMETHEUS, Binary


def test_module_matches_the_manifest(tmp_path: Path) -> None:
    """Generating the module from builder.yaml changes nothing; otherwise: python -m batchtel_stack.distribution."""
    distribution.generate(tmp_path / "module")
    made = {path.name: path.read_text() for path in (tmp_path / "module").iterdir()}
    committed = {path.name: path.read_text() for path in distribution.MODULE.iterdir()}
    assert made == committed


OTHER_IN_JAEGER = (
    "go.opentelemetry.io/collector",
    "github.com/open-telemetry/opentelemetry-collector-contrib",
    "github.com/prometheus/prometheus",
    "k8s.io/",
)
"""Modules without a stable interface, of which Jaeger's code compiles only with the version that it names."""


@pytest.mark.parametrize("binary", [PROMETHEUS, JAEGER], ids=lambda binary: binary.name)
def test_programs_are_built_of_the_same_packages(binary: Binary) -> None:
    """A module in two versions is compiled twice; one version near the root (grpc, x/net) doubles half of the build."""
    own, collector = _versions(binary), _versions(COLLECTOR)
    differing = {
        module: (own[module], collector[module])
        for module in own.keys() & collector
        if own[module] != collector[module] and not (binary is JAEGER and module.startswith(OTHER_IN_JAEGER))
    }
    assert not differing, "use the collector's version: go get in the program's module, then go mod tidy"


@pytest.mark.parametrize("binary", BINARIES, ids=lambda binary: binary.name)
def test_no_program_has_a_forbidden_licence(binary: Binary) -> None:
    """No module that a program contains is under the AGPL or a source-available licence, its own module included."""
    go, tags = toolchain.find(print), f"-tags={','.join(binary.tags)}"
    form = "-f={{with .Module}}{{.Path}} {{.Dir}}{{end}}"
    # The pages that a release lacks are an error to `go list`, which still lists what its package needs.
    lenient = ["-e"] if binary.pages else []
    command: list[str | Path] = [go, "list", *lenient, "-deps", "-mod=readonly", form, tags, *binary.programs.values()]
    listed = subprocess.run(
        command, cwd=binary.module, env=toolchain.environment(), capture_output=True, text=True, check=True
    )
    modules = dict(line.split(" ", 1) for line in set(listed.stdout.splitlines()) if line)
    for package in binary.programs.values():
        assert package == "." or any(package.startswith(f"{module}/") for module in modules)
    own = (binary.module, *binary.own)
    texts = {module: _licence(Path(folder)) for module, folder in modules.items() if Path(folder) not in own}
    assert [module for module, text in texts.items() if not text] == []
    assert {module for module, text in texts.items() if FORBIDDEN.search(text)} == set()


FORBIDDEN = re.compile(
    # In capitals, as its title is: the MPL names the Affero licence, too.
    r"GNU AFFERO GENERAL PUBLIC LICENSE|Business Source License|Server Side Public License|Elastic License|"
    r"Commons Clause|Functional Source License"
)


def _licence(folder: Path) -> str:
    """Return the licence files of a module; those of a folder above where its repository has one for all modules."""
    found = [file for file in folder.iterdir() if re.match("LICEN[CS]E|COPYING|UNLICENSE", file.name, re.IGNORECASE)]
    return "\n".join(file.read_text(errors="replace") for file in found if file.is_file())


def _versions(binary: Binary) -> dict[str, str]:
    """Return module path -> required version of a program's go.mod."""
    lines = re.findall(r"^(?:require |\t)(\S+) (v\S+)", (binary.module / "go.mod").read_text(), re.MULTILINE)
    assert lines
    return dict(lines)
