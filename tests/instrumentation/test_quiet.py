"""Nothing new on stderr or stdout: what a job prints with batchtel is what it prints without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import batchtel
from tests.instrumentation.delivery import grpc_sink
from tests.support.interpreters import VERSIONS, find
from tests.support.process import TIMEOUT, environment, run
from tests.support.sink import Sink

EXTRA = """
import collections, contextlib, datetime, decimal, enum, fractions, io, logging, pathlib, sys, threading, types, uuid
class Color(enum.Enum):
    RED = 1
class Level(enum.IntEnum):
    LOW = 1
class Silent:
    def __str__(self):
        raise RuntimeError("no text")
    __repr__ = __str__
class Talking:
    def __str__(self):
        logging.getLogger("talking").warning("asked")
        return "talking"
class Broken(dict):
    def items(self):
        raise RuntimeError("no items")
class Rows(collections.namedtuple("Rows", "read written")):
    pass
cycle = []
cycle.append(cycle)
knot = {}
knot["self"] = knot
deep = value = {}
for _ in range(100):
    value["in"] = value = {}
VALUES = [datetime.date(2026, 3, 1), datetime.datetime(2026, 3, 1), datetime.timedelta(1), pathlib.Path("a.csv"),
    uuid.UUID(int=1), {"a", 1}, frozenset("b"), decimal.Decimal("1.50"), fractions.Fraction(1, 2), Color.RED,
    Level.LOW, ValueError("x"), 2**70, -(2**63) - 1, [1, "a", None], (1, 2), {"day": datetime.date(2026, 3, 1)},
    {1: 2, None: 3}, range(3), b"\\xff", bytearray(b"a"), "\\udcff", {"\\udcff": "\\udcff"}, float("nan"), 1 + 2j,
    cycle, knot, deep, Silent(), [Silent()], Broken(a=1), Rows(1, 2), collections.deque([1]),
    collections.Counter("aab"), types.SimpleNamespace(a=1), object(), int, len, lambda: 1, (row for row in "ab"),
    memoryview(b"a"), threading.Lock(), io.StringIO("a"), "x" * 100_000, [[0] * 1000] * 1000, None, True, Talking(),
    ..., NotImplemented]
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
log = logging.getLogger("load")
if sys.argv[1] == "plain":
    run = contextlib.nullcontext()
else:
    import batchtel
    run = batchtel.job("extra")
with run:
    for value in VALUES:
        log.info("loaded", extra={"value": value, "nested": {"list": [value]}})
    log.info("loaded", extra={f"key {number}": number for number in range(300)})
    log.info("loaded", extra={"k" * 1000: 1, "": 2, "\\udcff": 3, "spaced key": 4})
    try:
        raise KeyError("missing")
    except KeyError:
        log.exception("failed")
    log.warning("%s", Talking())
"""


@pytest.mark.compatible(
    "Libraries",
    "logging with `extra` of any type",
    "each record, each value as itself or as text",
)
def test_whatever_extra_holds_is_sent_and_prints_nothing(sink: Sink) -> None:
    """Each record arrives with its value in some form; the output is what it is without a run."""
    plain, measured = run(EXTRA, sink, "plain"), run(EXTRA, sink, "measured")
    assert (measured.code, measured.stdout, measured.stderr) == (0, plain.stdout, plain.stderr)
    sent = [log for log in sink.logs() if log.scope == "load"]
    assert len(sent) == plain.stdout.count(":load:")
    assert all("value" in log.attributes or log.body != "loaded" for log in sent[:-4])
    values = [log.attributes.get("value") for log in sent]
    assert values[:4] == ["2026-03-01", "2026-03-01 00:00:00", "1 day, 0:00:00", "a.csv"]
    assert values[10:15] == ["1", "x", str(2**70), str(-(2**63) - 1), [1, "a", None]]


def test_records_of_opentelemetry_are_not_sent(sink: Sink) -> None:
    """The job's handlers get them as ever; sending them would make more of them."""
    finished = run(
        """
        import logging, batchtel
        logging.basicConfig(format="%(name)s %(message)s")
        with batchtel.job("reflecting"):
            logging.getLogger("opentelemetry.sdk.trace").warning("own")
            logging.getLogger("opentelemetry_like").warning("other")
        """,
        sink,
    )
    assert finished.stderr == "opentelemetry.sdk.trace own\nopentelemetry_like other\n"
    assert [log.body for log in sink.logs() if not log.event] == ["other"]


FORKS = """
import multiprocessing, os, sys, time, warnings, batchtel
with batchtel.job("forking") as job:
    job.records(processed=1)
    batchtel.flush(20)
    for _ in range(2):
        if (child := os.fork()) == 0:
            job.records(processed=10)
            batchtel.flush(20)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(len, ["a", "bc"]) == [1, 2]
        pool.close()
        pool.join()
"""


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("program", list(filter(None, map(find, VERSIONS))), ids=lambda program: Path(program).name)
@pytest.mark.compatible(
    "Processes",
    "fork on Python 3.12 and later, warnings as errors",
    "parent and child",
)
def test_a_fork_prints_nothing(sink: Sink, tmp_path: Path, program: str, protocol: str) -> None:
    """From Python 3.12 on a fork beside threads is a warning, here an error; those threads are ours alone."""
    site = Path(batchtel.__path__[0]).parent, Path(pytest.__file__).parents[1]
    script = tmp_path / "forks.py"
    script.write_text(FORKS)
    variables = {"PYTHONPATH": os.pathsep.join(map(str, site)), "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    if protocol == "grpc" and program != sys.executable:
        pytest.skip("grpcio is compiled for one version of Python")
    with grpc_sink.running() as (receiver, _):
        receiver = receiver if protocol == "grpc" else sink
        finished = subprocess.run(
            [program, "-W", "error::DeprecationWarning", script],
            env=environment(receiver, variables),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
        assert receiver.total("batch.job.records.processed", job_name="forking") == 21


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 does not warn")
def test_a_fork_beside_a_thread_of_the_job_warns_as_ever(sink: Sink) -> None:
    """The warning is the job's own there."""
    finished = run(
        """
        import os, threading, time, warnings, batchtel
        warnings.simplefilter("always")
        with batchtel.job("threaded"):
            threading.Thread(target=time.sleep, args=(1,)).start()
            if os.fork() == 0:
                os._exit(0)
        """,
        sink,
    )
    assert "multi-threaded" in finished.stderr


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_LOGS_HEADERS"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_malformed_variables_are_named_without_their_values(sink: Sink, variable: str, protocol: str) -> None:
    """An item that is no pair may be a secret: one warning names its variable, and nothing prints it."""
    finished = run(
        """
        import batchtel
        with batchtel.job("malformed"):
            pass
        """,
        sink,
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test,hunter2,api_key:hunter3",
        BATCHTEL_EXIT_TIMEOUT="0.3",
        **{variable: "Bearer hunter4,x-tenant=a"},
    )
    assert "hunter" not in finished.stderr
    assert finished.stderr.splitlines()[:2] == [
        "OTEL_RESOURCE_ATTRIBUTES has an item that is not key=value; it is left out",
        f"{variable} has an item that is not name=value; it is left out",
    ]
