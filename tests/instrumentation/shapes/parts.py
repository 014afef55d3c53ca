"""What a process shape is put together from: pieces of Python text, by name, and what each of them adds."""

from __future__ import annotations

import textwrap
from typing import Final, NamedTuple

OPTIONS: Final = {
    "plain": (),
    "warnings are errors": ("-W", "error"),
    "dev": ("-X", "dev"),
    "optimised": ("-OO",),
    "unbuffered": ("-u",),
    "no user site": ("-s", "-B"),
    "bytes": ("-bb",),
}
"""Options of the interpreter."""


class Work(NamedTuple):
    """`text` calls `part(name)` of the module `parts` in as many `workers`; `starts` is how their processes start."""

    text: str
    workers: int
    starts: str = ""


def _pool(method: str) -> str:
    return f"""
import multiprocessing
with multiprocessing.get_context({method!r}).Pool(2) as pool:
    pool.map(parts.part, ["a", "b", "c"])
    pool.close()
    pool.join()
"""


def _executor(method: str) -> str:
    return f"""
import concurrent.futures, multiprocessing
with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context({method!r})) as pool:
    list(pool.map(parts.part, ["a", "b", "c"]))
"""


_CHILD: Final = """\
if (child := os.fork()) == 0:
    try:
        parts.part("a")
        batchtel.flush(20)
    finally:
        os._exit(0)
os.waitpid(child, 0)
"""

WORK: Final = {
    "alone": Work("", 0),
    "threads": Work(
        """
import concurrent.futures
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    list(pool.map(parts.part, ["a", "b", "c"]))
""",
        3,
    ),
    "a daemon thread": Work(
        """
import threading
thread = threading.Thread(target=parts.part, args=["a"], daemon=True)
thread.start()
thread.join()
""",
        1,
    ),
    "coroutines": Work(
        """
import asyncio
async def coroutine(name):
    await asyncio.sleep(0)
    parts.part(name)
async def coroutines():
    await asyncio.gather(coroutine("a"), coroutine("b"), asyncio.to_thread(parts.part, "c"))
asyncio.run(coroutines())
""",
        3,
    ),
    "fork and _exit": Work(
        _CHILD,
        1,
        "fork",
    ),
    "fork and exit": Work(
        """
sys.stdout.flush()
if (child := os.fork()) == 0:
    parts.part("a")
    sys.exit(0)
os.waitpid(child, 0)
""",
        1,
        "fork",
    ),
    "fork in a thread": Work(
        f"""
import threading
def branch():
{textwrap.indent(_CHILD, "    ")}
thread = threading.Thread(target=branch)
thread.start()
thread.join()
""",
        1,
        "thread fork",
    ),
    "a forked child's child": Work(
        """
def branch(names):
    if names and (child := os.fork()) == 0:
        try:
            parts.part(names[0])
            branch(names[1:])
            batchtel.flush(20)
        finally:
            os._exit(0)
    elif names:
        os.waitpid(child, 0)
branch(["a", "b"])
""",
        2,
        "fork",
    ),
    "a pool by fork": Work(_pool("fork"), 3, "fork"),
    "a pool by spawn": Work(_pool("spawn"), 3, "spawn"),
    "a pool by forkserver": Work(_pool("forkserver"), 3, "forkserver"),
    "an executor by fork": Work(_executor("fork"), 3, "fork"),
    "an executor by spawn": Work(_executor("spawn"), 3, "spawn"),
    "an executor by forkserver": Work(_executor("forkserver"), 3, "forkserver"),
    "a child program": Work(
        """
import subprocess
subprocess.run([sys.executable, parts.__file__, "a"], check=True)
""",
        1,
        "program",
    ),
    "a child program of asyncio": Work(
        """
import asyncio
async def program():
    return await (await asyncio.create_subprocess_exec(sys.executable, parts.__file__, "a")).wait()
if asyncio.run(program()):
    sys.exit('the child program has failed')
""",
        1,
        "program",
    ),
}


class Logging(NamedTuple):
    """`text` sets logging up; `arrives` is whether a warning is a record of the run afterwards."""

    text: str
    arrives: bool = True


LOGGING: Final = {
    "as it is": Logging(""),
    "basicConfig": Logging("logging.basicConfig(format='%(levelname)s %(name)s %(message)s')"),
    "a handler of its own": Logging(
        """
logging.getLogger("load").addHandler(logging.StreamHandler(sys.stdout))
logging.getLogger("load").propagate = False
"""
    ),
    "dictConfig": Logging(
        """
import logging.config
logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"err": {"class": "logging.StreamHandler"}},
    "root": {"level": "INFO", "handlers": ["err"]},
})
"""
    ),
    "a wrapper around callHandlers": Logging(
        """
found = logging.Logger.callHandlers
logging.Logger.callHandlers = lambda logger, record: found(logger, record)
"""
    ),
    "a logger class": Logging(
        """
class Own(logging.Logger):
    def handle(self, record):
        record.own = "field"
        super().handle(record)
logging.setLoggerClass(Own)
"""
    ),
    "a queue": Logging(
        """
import logging.handlers, queue
waiting = queue.SimpleQueue()
logging.getLogger().addHandler(logging.handlers.QueueHandler(waiting))
"""
    ),
    "a handler that fails": Logging("logging.getLogger().addHandler(logging.FileHandler('/dev/full'))"),
    "a formatter that fails": Logging("logging.basicConfig(format='%(no_such_field)s')"),
    "shut down": Logging("logging.basicConfig(); logging.shutdown()"),
    "turned off": Logging("logging.disable(logging.CRITICAL)", arrives=False),
    "errors only": Logging("logging.getLogger().setLevel(logging.ERROR)", arrives=False),
}

HOOKS: Final = {
    "none": "",
    "excepthook": "sys.excepthook = lambda kind, error, trace: print('own hook:', kind.__name__, file=sys.stderr)",
    "atexit": "import atexit; atexit.register(print, 'at exit')",
    "a failing atexit": "import atexit; atexit.register(lambda: {}['at exit'])",
    "SIGTERM": "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))",
    "SIGTERM that is chained": """
import signal
before = signal.getsignal(signal.SIGTERM)
def chained(number, frame):
    if callable(before):
        before(number, frame)
    sys.exit(5)
signal.signal(signal.SIGTERM, chained)
""",
    "after a fork": "os.register_at_fork(after_in_child=lambda: None)",
    "trace and profile": "sys.settrace(lambda *_: None); sys.setprofile(lambda *_: None)",
    "no environment": """
for name in list(os.environ):
    if name.startswith(("OTEL_", "BATCHTEL_", "TRACE")):
        del os.environ[name]
""",
    "another endpoint": "os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:9'",
    "another folder": "os.chdir('/')",
    "umask": "os.umask(0o777)",
    "no stdin": "os.close(0)",
    "no sys.stderr": "sys.stderr = None",
    "a stdout in memory": "import io; sys.stdout = io.StringIO()",
    "faulthandler": "import faulthandler; faulthandler.enable()",
    "tracemalloc": "import tracemalloc; tracemalloc.start()",
    "a frozen clock": "import time; time.time = lambda: 1_000_000_000.0; time.time_ns = lambda: 10**18",
    "seeded random": "import random; random.seed(7)",
    "socket timeout": "import socket; socket.setdefaulttimeout(20)",
    "no garbage collection": "import gc; gc.disable(); gc.freeze()",
}
"""What a library or the job itself puts in place before it works."""


class End(NamedTuple):
    """`text` ends a program; `code` is its exit code, `status` and `error` are what a run in code ends with.

    `program` is the status of the run that is the program, where it is another one: that of a program that goes on
    after its run has ended. Without a status, nothing of the process is left to report one.
    """

    text: str
    code: int
    status: str | None
    error: str | None = None
    program: str | None = None


FLUSH: Final = "batchtel.flush(20)\nsys.stdout.flush()\n"

ENDS: Final = {
    "returns": End("", 0, "success"),
    "exit 0": End("sys.exit(0)", 0, "success"),
    "exit without a code": End("raise SystemExit", 0, "success"),
    "exit 3": End("sys.exit(3)", 3, "failure", "SystemExit"),
    "exit with a text": End("sys.exit('no rows')", 1, "failure", "SystemExit"),
    "exit 3 from a callee": End(
        "def main():\n    raise SystemExit(3)\ntry:\n    main()\nfinally:\n    print('cleared')",
        3,
        "failure",
        "SystemExit",
    ),
    "ValueError": End("raise ValueError('no rows')", 1, "failure", "ValueError"),
    "a chained error": End(
        "try:\n    {}['row']\nexcept KeyError as missing:\n    raise RuntimeError('no row') from missing",
        1,
        "failure",
        "RuntimeError",
    ),
    "an error group": End("raise ExceptionGroup('rows', [ValueError(1), KeyError(2)])", 1, "failure", "ExceptionGroup"),
    "a BaseException": End("class Odd(BaseException): ...\nraise Odd", 1, "failure", "Odd"),
    "an error in a coroutine": End(
        "import asyncio\nasync def main():\n    raise OSError(28, 'full')\nasyncio.run(main())", 1, "failure", "OSError"
    ),
    "an error in a thread": End(
        "import threading\nthread = threading.Thread(target=sys.exit, args=[3])\nthread.start()\nthread.join()",
        0,
        "success",
    ),
    "KeyboardInterrupt": End("raise KeyboardInterrupt", -2, "cancelled"),
    "SIGINT": End("import signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(20)", -2, "cancelled"),
    "SIGTERM": End("import signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(20)", -15, "cancelled"),
    "SIGKILL": End(FLUSH + "os.kill(os.getpid(), 9)", -9, None),
    "_exit 4": End(FLUSH + "os._exit(4)", 4, None),
    "_exit 0": End(FLUSH + "os._exit(0)", 0, None),
    "abort": End(FLUSH + "os.abort()", -6, None),
    "exec": End(FLUSH + "os.execv(sys.executable, [sys.executable, '-c', 'raise SystemExit(3)'])", 3, None),
}
