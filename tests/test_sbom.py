"""The SBOM is valid CycloneDX, names all that is in wheel and collector, and no license that they may not have."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from batchtel.version import __version__
from batchtel_stack import toolchain
from tests.support import sbom
from tests.support.uv import ROOT

ALLOWED: Final = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib"),
    "BSD-Source-Code",  # what the tool reads from the BSD-3-Clause of golang.org/x/*
    "License :: OSI Approved :: BSD License",
    "License :: OSI Approved :: Apache Software License",
    "License :: OSI Approved :: MIT License",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
}
"""Licenses that wheel and collector may have: no AGPL or GPL, no SSPL, BUSL, Elastic License or Commons Clause."""

WITHOUT: Final = {
    "protobuf": "BSD-3-Clause: its wheel has the text only",
    "github.com/twmb/murmur3": "BSD-3-Clause: the tool does not recognise the text, which has two notices",
    "std": "BSD-3-Clause: Go itself, which is not a module",
}
"""Components in which the tools find no license, and the one that they have."""


@pytest.fixture(scope="module")
def collector() -> dict[str, Any]:
    """The SBOM of the collector."""
    return sbom.of_collector()


@pytest.fixture(scope="module", params=sbom.EXTRAS)
def wheel(request: pytest.FixtureRequest) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Extras of the wheel and their SBOM."""
    extras: tuple[str, ...] = sbom.EXTRAS[request.param]
    return extras, sbom.of_wheel(extras)


def _check(document: dict[str, Any]) -> None:
    """Hold a document against the schema and the licenses."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
    assert document["metadata"]["component"]["version"] == __version__
    assert wrong_licenses(document) == {}


def wrong_licenses(document: dict[str, Any]) -> dict[str, list[str]]:
    """Return name -> licenses of each component that has another one than those allowed."""
    wrong = {}
    for component in document["components"]:
        named = component.get("licenses") or component.get("evidence", {}).get("licenses") or []
        texts = [one.get("expression") or one["license"].get("id") or one["license"]["name"] for one in named]
        # Of `A OR B` one is enough, of all others each one.
        allowed = all(ALLOWED & set(text.split(" OR ")) for text in texts)
        if not (allowed and texts) and component["name"] not in WITHOUT:
            wrong[component["name"]] = texts
    return wrong


def test_of_the_wheel(wheel: tuple[tuple[str, ...], dict[str, Any]]) -> None:
    """Every dependency that pyproject.toml names for these extras is there, and no tool of the developers."""
    extras, document = wheel
    _check(document)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    named = {re.split(r"[<>=!~\[ ;]", one)[0].lower() for one in needed}
    found = {component["name"].lower().replace("_", "-") for component in document["components"]}
    assert named <= found
    assert found & {"pytest", "mypy", "cyclonedx-bom"} == set()


def test_of_the_collector(collector: dict[str, Any], collector_program: Path) -> None:
    """The modules are those that Go has written into the program."""
    _check(collector)
    go = toolchain.find(print)
    read = subprocess.run([go, "version", "-m", collector_program], capture_output=True, text=True, check=True).stdout
    built = re.findall(r"^\tdep\t(\S+)\t(\S+)(?:\t\S*)?\n(?:\t=>\t(\S+)\t(\S+).*\n)?", read, re.MULTILINE)
    modules = {(name, version) for name, version, replaced, _ in built if not replaced}
    found = {(component["name"], component["version"]) for component in collector["components"]}
    assert len(modules) > 300
    assert found - modules == {
        ("batchtel/runrollup", f"v{__version__}"),
        ("std", read.split()[1]),
    }
    assert modules - found == set()


def test_another_license_is_found(collector: dict[str, Any]) -> None:
    """The checks can fail: by a license, by none, and by a document that is not CycloneDX."""
    first, *others = json.loads(json.dumps(collector["components"]))
    first["licenses"] = [{"license": {"id": "AGPL-3.0-only"}}]
    assert wrong_licenses({"components": [first, *others]}) == {first["name"]: ["AGPL-3.0-only"]}
    first["licenses"] = [{"expression": "MIT AND SSPL-1.0"}]
    assert wrong_licenses({"components": [first]}) == {first["name"]: ["MIT AND SSPL-1.0"]}
    assert wrong_licenses({"components": [{"name": "x"}]}) == {"x": []}
    broken = json.dumps({**collector, "components": [{"name": "no type"}]})
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None
