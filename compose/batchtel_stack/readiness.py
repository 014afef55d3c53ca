"""Wait until programs answer; report which one does not, and why."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from batchtel_stack import output
from batchtel_stack.errors import UnavailableError
from batchtel_stack.programs import Program
from batchtel_stack.state import Process

SECONDS: Final = 60.0
"""All answer within 5 s on two idle cores; ten times more is for a machine under load."""

_LAST_LINES: Final = 15

# Without a proxy: one in the environment does not serve loopback addresses.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait(
    programs: Sequence[Program],
    processes: Sequence[Process],
    children: Mapping[str, subprocess.Popen[bytes]],
    notify: Callable[[str], None],
    seconds: float = SECONDS,
) -> None:
    """Return when every program answers its readiness address with 200.

    Raises:
        UnavailableError: programs ended, or did not answer in time; the message has the last lines of each.
    """
    logs = {process.name: process.log for process in processes}
    waiting = {program.name: program for program in programs}
    answers = dict.fromkeys(waiting, "nothing")
    begun = time.monotonic()
    while waiting:
        ended = [name for name in waiting if children[name].poll() is not None]
        if ended:
            raise UnavailableError(
                "\n".join(
                    f"{name} {_how(children[name].returncode)} before it was ready. Its last lines:\n"
                    f"{output.quoted(logs[name], _LAST_LINES)}"
                    for name in ended
                )
            )
        for name, program in list(waiting.items()):
            answers[name] = answer_of(program.ready)
            if answers[name] == "200":
                del waiting[name]
                notify(f"{name} is ready after {time.monotonic() - begun:.1f} s: {program.url}")
        if waiting and time.monotonic() - begun > seconds:
            raise UnavailableError(
                "\n".join(
                    f"{name} is not ready after {seconds:.0f} s: {program.ready} answers {answers[name]}. "
                    f"Its last lines:\n{output.quoted(logs[name], _LAST_LINES)}"
                    for name, program in waiting.items()
                )
            )
        time.sleep(0.05)


def answer_of(url: str) -> str:
    """Return the status of a GET as text, with its body on one line unless it is 200, or why there is no answer."""
    try:
        with _OPENER.open(url, timeout=2) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        return " ".join([str(error.code), *error.read(500).decode(errors="replace").split()])
    except OSError as error:
        return f"nothing ({getattr(error, 'reason', error)})"


def _how(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
