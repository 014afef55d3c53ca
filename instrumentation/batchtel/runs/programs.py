"""Other programs that this process starts, or becomes by exec: they find the run that they belong to.

The C library's environment is one for the whole process, so where several runs are open the environment of a program
is made as it starts. The functions of the standard library that start one are wrapped for it, from the second run on;
what C code starts by itself finds the mark of the run that was first.
"""

from __future__ import annotations

import _posixsubprocess
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from batchtel.base.guard import harmless
from batchtel.base.start_environment import OPEN_RUN
from batchtel.runs import current

_ENVIRONMENT: Final = 5
"""Position of the environment among the arguments of fork_exec(), which all ways of the standard library end in."""

_wrapped: Final[set[str]] = set()


def survive_exec() -> None:
    """Let the run of this process go on in the program that the process becomes by exec."""
    if "exec" in _wrapped:
        return
    _wrapped.add("exec")
    execv, execve = os.execv, os.execve

    def replace(path: Any, argv: Any, env: Any, /) -> Any:
        with _Leaving(path):
            execve(path, argv, given(env))

    def replace_unchanged(path: Any, argv: Any, /) -> Any:
        environ = given(None)
        with _Leaving(path):
            execv(path, argv) if environ is None else execve(path, argv, environ)

    # os.execl(), os.execvp(), os.spawnv() and the like call these two.
    ours: Any = os
    ours.execv, ours.execve = replace_unchanged, replace


def give_each_its_own() -> None:
    """Give each program that is started from now on the mark of the run that starts it."""
    if "spawn" in _wrapped:
        return
    _wrapped.add("spawn")
    fork_exec, system = _posixsubprocess.fork_exec, os.system

    def start(*args: Any) -> Any:
        environ = _listed(args[_ENVIRONMENT]) if len(args) > _ENVIRONMENT else None
        return fork_exec(*args if environ is None else (*args[:_ENVIRONMENT], environ, *args[_ENVIRONMENT + 1 :]))

    def shell(command: Any) -> int:
        return system(_exporting(command))

    _posixsubprocess.fork_exec = start
    subprocess: Any = sys.modules.get("subprocess")
    if subprocess is not None and getattr(subprocess, "_fork_exec", None) is fork_exec:
        subprocess._fork_exec = start
    os.system = shell
    os.posix_spawn, os.posix_spawnp = _spawning(os.posix_spawn), _spawning(os.posix_spawnp)


def _spawning(before: Callable[..., int]) -> Any:
    def spawn(path: Any, argv: Any, env: Any, /, **options: Any) -> int:
        return before(path, argv, given(env), **options)

    return spawn


@harmless(None)
def _own_mark() -> dict[str, str]:
    """Return the mark of the run that this code belongs to, if it is another one than that of the environment."""
    scope = current.scope()
    if scope is None or scope.job.mark is None or scope.job.mark.is_in_environment:
        return {}
    return scope.job.mark.variables()


def given(env: Any) -> Any:
    """Return the environment `env`, None for that of this process, with the mark of the run that this code belongs to.

    Only what `env` has of this process's mark is replaced: who starts a program without one, or has given it another
    job, means that.
    """
    changed = _marked(os.environ if env is None else env)
    return env if changed is None else changed


@harmless(None)
def _marked(env: Mapping[Any, Any]) -> dict[Any, Any] | None:
    mark = _own_mark()
    if not mark:
        return None
    present = {os.fsdecode(name): os.fsdecode(value) for name, value in env.items()}
    if env is not os.environ and present.get(OPEN_RUN) != os.environ.get(OPEN_RUN):
        return None
    unchanged = {name: value for name, value in mark.items() if present.get(name) == os.environ.get(name)}
    return {**present, **unchanged}


@harmless(None)
def _listed(entries: Any) -> list[bytes] | None:
    """Return the entries of an environment, None for that of this process, marked like `given`; None if unchanged."""
    if not _own_mark():
        return None
    environ: Any = os.environ
    if entries is not None:
        environ = dict(entry.split(b"=", 1) for entry in entries)
    changed = _marked(environ)
    if changed is None:
        return None
    return [os.fsencode(name) + b"=" + os.fsencode(value) for name, value in changed.items()]


def _exporting(command: Any) -> Any:
    """Return a command for the shell that sets the mark first, on the same line: messages keep their line numbers."""
    mark = _own_mark()
    if not mark or not isinstance(command, str):
        return command
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in mark.items()) + "; " + command


class _Leaving:
    """The moment of an exec: what this program has recorded is sent before, and what is to survive it is kept."""

    def __init__(self, path: Any) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._leave(True)

    def __exit__(self, *unused: object) -> None:
        """Go on here: the other program could not be started."""
        self._leave(False)

    @harmless(None)
    def _leave(self, leaves: bool) -> None:
        # os.execvp() tries each folder of PATH.
        if leaves and isinstance(self._path, (str, bytes, os.PathLike)) and not os.access(self._path, os.X_OK):
            return
        runs = [scope.job for scope in current.open_scopes() if scope.is_run and scope.recorder.process == os.getpid()]
        for run in runs:
            run.data.survive_exec(leaves)
        if leaves and runs:
            from batchtel.telemetry.process import flush, report_end

            for scope in current.open_scopes():
                scope.beat()
            for run in runs:
                if run.has_part():
                    run.recorder.report_part(run.title, run.result())
            if not flush():
                report_end()
