"""Build the programs once, into the user's cache, one after the other; the next one's modules are fetched meanwhile.

The programs share most of their packages. Two compilations at the same time would compile each shared package twice.

An interrupted build loses nothing: Go's own cache keeps every compiled package, and a program appears in the cache only
when it is whole. Two builders at once (two checkouts, two terminals) wait for each other, program by program.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from batchtel_collector.check import cache
from batchtel_stack import children, paged, sigterm, toolchain
from batchtel_stack.binaries import BINARIES, Binary
from batchtel_stack.errors import UnavailableError
from batchtel_stack.lock import Lock
from batchtel_stack.progress import Progress, Step

_STAGES: Final = ("fetching its modules", "building")
"""The stages of a build; each stage is used by one program at a time."""

_LAST_LINES: Final = 15


def ensure(binaries: Iterable[Binary] = BINARIES) -> dict[str, Path]:
    """Return name -> path of every program of `binaries`, built first where the cache has none.

    Progress goes to stderr: a live table on a terminal, one line a minute elsewhere.

    Raises:
        UnavailableError: a build failed, or there is no Go. The others are finished first.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the compilers are stopped, their results so far are kept.
    """
    wanted = list(binaries)
    missing = [binary for binary in wanted if not binary.built()]
    if missing:
        _build(missing)
    return {program: path for binary in wanted for program, path in binary.paths().items()}


def _build(missing: list[Binary]) -> None:
    with sigterm.as_interrupt(), Progress([binary.name for binary in missing]) as progress:
        go = toolchain.find(progress.notify)
        builds = [_Build(binary, go) for binary in missing]
        try:
            while not all(build.step.finished for build in builds):
                for build in builds:
                    build.advance(busy={other.stage for other in builds if other.active})
                progress.show([build.step for build in builds])
                time.sleep(0.1)
        except KeyboardInterrupt:
            progress.notify("stopped; the next build continues from here")
            raise
        finally:
            for build in builds:
                build.close()
        problems = [build.problem for build in builds if build.problem]
    if problems:
        raise UnavailableError("\n".join(problems))


class _Build:
    """The build of one program: waiting for its stage or another builder, fetching, building, then built or failed."""

    def __init__(self, binary: Binary, go: Path) -> None:
        self.binary = binary
        self.go = go
        self.step = Step(binary.name)
        self.problem = ""
        self.stage = _STAGES[0]
        self._lock = Lock(cache.folder() / "bin" / f"{binary.name}.lock")
        self._go: subprocess.Popen[bytes] | None = None
        self._partial: Path | None = None
        self._copy: Path | None = None

    @property
    def active(self) -> bool:
        """Whether it runs now."""
        return self._go is not None

    def advance(self, busy: set[str]) -> None:
        """Continue without waiting; do not begin a stage that another program uses."""
        if self._go is not None:
            self._look()
        elif not self.step.finished:
            if self.binary.built():
                self.step.state = "built"
            elif not self._lock.acquire():
                self.step.state = f"another process builds it ({self._lock.holder()})"
            elif self.stage not in busy and not self.binary.built():
                self._start()

    def close(self) -> None:
        """Stop go, if it still runs, with everything that it started; remove what is unfinished."""
        if self._go is not None:
            children.kill_group(self._go.pid, signal.SIGKILL)
            self._go.wait()
            self._go = None
        for folder in (self._partial, self._copy):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        self._lock.release()

    def _start(self) -> None:
        if self.stage == _STAGES[0]:
            self._partial = Path(tempfile.mkdtemp(prefix=f".{self.binary.name}-", dir=self.binary.folder().parent))
            self.binary.log().parent.mkdir(parents=True, exist_ok=True)
            self.binary.log().unlink(missing_ok=True)
        elif self.binary.pages:
            self._copy = Path(tempfile.mkdtemp(prefix=f".{self.binary.name}-", dir=self.binary.folder().parent))
            paged.prepare(self.binary, self.go, self._copy)
        self.step.state, self.step.started, self.step.log = self.stage, time.monotonic(), self.binary.log()
        with self.binary.log().open("ab") as output:
            self._go = children.start(
                self._command(),
                output=output,
                folder=self._copy or self.binary.module,
                environment=toolchain.environment(),
            )

    def _command(self) -> list[str | Path]:
        tags, packages = f"-tags={','.join(self.binary.tags)}", self.binary.programs.values()
        if self.stage == _STAGES[0] and self.binary.pages:
            # `go list` fails on the missing pages.
            return [self.go, "mod", "download"]
        if self.stage == _STAGES[0]:
            # Unlike `go mod download`, this fetches only modules that the programs contain, without output.
            return [self.go, "list", "-deps", "-f={{/* nothing */}}", "-mod=readonly", tags, *packages]
        # With a folder as -o, Go names each program after the last part of its package's path.
        return [self.go, "build", "-v", *self.binary.flags, tags, "-o", f"{self._partial}/", *packages]

    def _look(self) -> None:
        assert self._go is not None
        assert self._partial is not None
        code = self._go.poll()
        if code is None:
            return
        self._go = None
        if code == 0 and self.stage == _STAGES[0]:
            self.stage, self.step.state, self.step.started = _STAGES[1], "fetched", 0.0
            return
        if code == 0:
            self._partial.chmod(0o755)
            self._partial.rename(self.binary.folder())
            self.step.state = "built"
        else:
            self.step.state = "failed"
            self.problem = _explain(self.binary, code)
        self.close()


def _explain(binary: Binary, code: int) -> str:
    log = binary.log().read_text(errors="replace").splitlines()
    # -v prints each package as a path only, and downloads are logged: neither explains a failure.
    reasons = [line for line in log if " " in line.strip() and not line.startswith("go: downloading ")]
    last = "\n".join(f"  {line}" for line in reasons[-_LAST_LINES:]) or "  (no output)"
    return (
        f"{binary.name} {binary.version} cannot be built: go ended with {code}. Its last lines:\n{last}\n"
        f"The whole log: {binary.log()}"
    )
