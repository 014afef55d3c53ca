"""A process started so that it finds what it would find without us: signals, descriptors, environment."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# Python ignores these two; a child of a shell does not (https://bugs.python.org/issue1652). Whether our own parent
# ignored them, the interpreter has forgotten before we are asked.
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)

_SHELL: Final = "/bin/sh"


def spawn(
    command: Sequence[str], environ: Mapping[str, str], outputs: Mapping[int, int], mask: set[int | signal.Signals]
) -> int:
    """Start `command` with the signal mask `mask` and return its process id.

    `outputs` maps file descriptors of the command to ours. A file without a `#!` line is given to the shell, as
    execvp() does for env, nohup and nice.

    Raises:
        OSError: The command cannot be started.
    """
    if not command[0]:
        # As a shell reports it: Python has a ValueError of its own for an empty name.
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    start = _fork if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN else _posix_spawn
    try:
        return start(command, environ, outputs, mask)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        return start([_SHELL, _found(command[0]), *command[1:]], environ, outputs, mask)


def become(command: Sequence[str]) -> None:
    """Become `command` where no process can be started for it, with what this one was started with.

    Raises:
        OSError: The command cannot be started.
    """
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(command[0], list(command), original_environment())


def original_environment() -> dict[str, str]:
    """Return the environment that this process was started with, in its present state.

    In the C locale the interpreter sets LC_CTYPE for itself and its children (PEP 538), which the command must not see.
    """
    present = dict(os.environ)
    try:
        started_with = Path("/proc/self/environ").read_bytes()
    except OSError:
        return present
    if not any(entry.startswith(b"LC_CTYPE=") for entry in started_with.split(b"\0")):
        present.pop("LC_CTYPE", None)
    return present


def _posix_spawn(
    command: Sequence[str], environ: Mapping[str, str], outputs: Mapping[int, int], mask: set[int | signal.Signals]
) -> int:
    return os.posix_spawnp(
        command[0],
        list(command),
        dict(environ),
        file_actions=[(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in outputs.items()],
        setsigmask=mask,
        setsigdef=_IGNORED_BY_PYTHON,
    )


def _fork(
    command: Sequence[str], environ: Mapping[str, str], outputs: Mapping[int, int], mask: set[int | signal.Signals]
) -> int:
    """Start a command that ignores SIGCHLD, as our parent does, while we do not: its exit status would be thrown away.

    posix_spawn() can set signals to their default only.
    """
    try:
        failed, failure = os.pipe()
    except OSError:
        # No descriptor is left. A command that cannot be started exits with 127 then, as from a shell.
        failed = failure = -1
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        try:
            for theirs, ours in outputs.items():
                os.dup2(ours, theirs)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            for number in _IGNORED_BY_PYTHON:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.execvpe(command[0], list(command), dict(environ))
        except OSError as error:
            if failure != -1:
                os.write(failure, str(error.errno).encode())
        finally:
            os._exit(127)
    if failure == -1:
        return pid
    os.close(failure)
    with os.fdopen(failed, "rb") as pipe:
        reason = pipe.read()
    if reason:
        os.waitpid(pid, 0)
        raise OSError(int(reason), os.strerror(int(reason)))
    return pid


def _found(name: str) -> str:
    """Return the path that a search of PATH for `name` ends at."""
    if "/" in name:
        return name
    places = (os.path.join(folder or ".", name) for folder in os.get_exec_path())
    return next((place for place in places if os.access(place, os.X_OK)), name)
