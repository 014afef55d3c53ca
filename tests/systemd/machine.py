"""A machine with systemd: real units under a real systemd, in namespaces, on a layer over this machine's files.

It needs root, systemd and `unshare`, and leaves nothing behind: its processes end with it, its files are in memory. It
has a network of its own with nothing but loopback, so services may listen on their usual ports.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from batchtel_collector.check import cache
from tests.support.polling import until

TARGET: Final = "batchtel-test.target"
"""What systemd starts: nothing but its journal."""

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's own, as of root on a fresh machine: its Python, none of the user's."""

_SYSTEMD: Final = Path("/lib/systemd/systemd")
_BOOT: Final = Path(__file__).with_name("boot.sh")
_LAYER: Final = """
mount -t tmpfs tmpfs "$1"; cd "$1"; mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
"""
_ENTER: Final = """
count=$1; shift
while [ "$count" -gt 0 ]; do echo $$ > "$1/cgroup.procs"; shift; count=$((count - 1)); done
exec "$@"
"""
_NAMESPACES: Final = ("--pid", "--mount", "--cgroup", "--net", "--uts", "--ipc")
_CGROUPS: Final = Path("/sys/fs/cgroup")


def missing() -> str | None:
    """Return why this machine cannot run one; None if it can."""
    if os.geteuid() != 0:
        return "needs root"
    programs = [name for name in ("unshare", "nsenter", "ip") if shutil.which(name) is None]
    if not _SYSTEMD.exists() or programs:
        return f"needs Debian's packages systemd, util-linux and iproute2 (no {', '.join(programs) or _SYSTEMD})"
    with tempfile.TemporaryDirectory() as place:
        command = ["unshare", *_NAMESPACES, "--fork", "sh", "-euc", _LAYER, "sh", place]
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"needs namespaces and overlayfs: {tried.stderr.strip()}"
    try:
        _remove(_new_cgroups())
    except OSError as error:
        return f"needs control groups that can be written: {error}"
    return None


class Machine:
    """A started one.

    Attributes:
        root: its root folder, for this process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.root = Path(f"/proc/{pid}/root")

    def run(self, command: str, *, outside: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a line of a shell in it, as root in /root; `outside` with the network of this machine."""
        enter = ["nsenter", f"--target={self._pid}", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--root"]
        return subprocess.run(
            [
                *enter,
                *([] if outside else ["--net"]),
                f"--wd={self.root}/root",
                "bash",
                "-euo",
                "pipefail",
                "-c",
                command,
            ],
            env={**os.environ, "HOME": "/root", "PATH": PATH, "XDG_CACHE_HOME": str(cache.folder().parent)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def call(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine in the network of that one."""
        return subprocess.run(
            ["nsenter", f"--target={self._pid}", "--net", *command],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, command: str, *, outside: bool = False) -> str:
        """Return what a line of a shell prints; AssertionError with that and the journal where it fails."""
        ended = self.run(command, outside=outside)
        if ended.returncode != 0:
            journal = self.run("journalctl --no-pager --lines 20").stdout
            raise AssertionError(f"$ {command}\n{ended.stdout}{ended.stderr}\n{journal}")
        return ended.stdout

    def property(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.output(f"systemctl show --property={name} --value {unit}").strip()


@contextmanager
def started() -> Iterator[Machine]:
    """Start a machine; end every process of it at the end."""
    groups = _new_cgroups()
    with tempfile.TemporaryDirectory() as box:
        command = ["unshare", "--fork", "--kill-child", *_NAMESPACES, "sh", str(_BOOT), box, TARGET]
        log = Path(box).with_suffix(".log")
        try:
            with log.open("wb") as output:
                process = subprocess.Popen(
                    ["sh", "-euc", _ENTER, "sh", str(len(groups)), *map(str, groups), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            try:
                yield until("systemd to run", lambda: _running(process), 60, log.read_text)
            finally:
                # unshare ignores SIGTERM; the first process of the namespace ends with it, and all others.
                process.kill()
                process.wait()
        finally:
            log.unlink()
            _remove(groups)


def _running(process: subprocess.Popen[bytes]) -> Machine | None:
    if process.poll() is not None:
        raise RuntimeError(f"systemd ended with {process.returncode}")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    if not children:
        return None
    machine = Machine(int(children[0]))
    state = machine.run("systemctl is-system-running")
    return machine if state.stdout.strip() == "running" else None


def _new_cgroups() -> list[Path]:
    """Create a group in each hierarchy, in which systemd makes its own: the test's own group has processes already."""
    hierarchies = [_CGROUPS] if (_CGROUPS / "cgroup.procs").exists() else sorted(_CGROUPS.iterdir())
    mounted = [folder for folder in hierarchies if (folder / "cgroup.procs").exists() and not folder.is_symlink()]
    # A new group of `cpuset` accepts no process before it has CPUs; systemd does not use that hierarchy.
    groups = [folder / f"batchtel-test-{os.getpid()}" for folder in mounted if folder.name != "cpuset"]
    for group in groups:
        group.mkdir(exist_ok=True)
    return groups


def _remove(groups: list[Path]) -> None:
    for group in groups:
        for folder in sorted((path for path in [group, *group.rglob("*")] if path.is_dir()), reverse=True):
            until(f"{folder} to be empty", lambda folder=folder: _removed(folder), 20)  # type: ignore[misc]


def _removed(folder: Path) -> bool | None:
    try:
        folder.rmdir()
    except OSError:
        return None
    return True
