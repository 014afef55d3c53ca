"""`opentelemetry-instrument python script.py`: a script as a run, without a line of code, and otherwise unchanged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.instrumentation import auto_instrumentation

from batchtel.auto.instrumentor import instrument_programs_that_follow
from batchtel.auto.program_end import program_name
from tests.instrumentation.ways_in.command import Talking, call, instrumented, python
from tests.support.process import TIMEOUT
from tests.support.sink import Sink

ENDINGS: dict[str, tuple[int, str, str | None, int | None, str | None]] = {
    # what the script does: exit code, status, error type, process.exit.code, batch.status.reason
    "pass": (0, "success", None, None, None),
    "raise ValueError('no rows')": (1, "failure", "ValueError", None, None),
    "import sys; sys.exit()": (0, "success", None, 0, None),
    "import sys; sys.exit(0)": (0, "success", None, 0, None),
    "import sys; sys.exit(3)": (3, "failure", "SystemExit", 3, None),
    "import sys; sys.exit('text')": (1, "failure", "SystemExit", 1, "text"),
    "import sys; sys.exit(-1)": (255, "failure", "SystemExit", 255, None),
    "from sys import exit\ndef main():\n    exit(4)\nmain()": (4, "failure", "SystemExit", 4, None),
    "import argparse; argparse.ArgumentParser(usage='u').error('e')": (2, "failure", "SystemExit", 2, None),
    # Caught: the program goes on to its end, also where it keeps the exception.
    "import sys\ntry:\n    sys.exit(3)\nexcept SystemExit as caught:\n    kept = caught": (
        0,
        "success",
        None,
        None,
        None,
    ),
    "import sys\ntry:\n    sys.exit(3)\nexcept SystemExit as caught:\n    kept = caught\n    raise": (
        3,
        "failure",
        "SystemExit",
        3,
        None,
    ),
    "import sys\ntry:\n    sys.exit(3)\nfinally:\n    sys.exit(5)": (5, "failure", "SystemExit", 5, None),
    "import sys\ntry:\n    sys.exit(3)\nexcept SystemExit:\n    raise KeyError('later')": (
        1,
        "failure",
        "KeyError",
        None,
        None,
    ),
    # Ends a thread, or an exit handler, but not the program.
    "import sys, threading; t = threading.Thread(target=sys.exit, args=(3,)); t.start(); t.join()": (
        0,
        "success",
        None,
        None,
        None,
    ),
    "import atexit, sys; atexit.register(lambda: sys.exit(3))": (0, "success", None, None, None),
    "raise KeyboardInterrupt": (-2, "cancelled", None, None, "KeyboardInterrupt"),
}


def script(folder: Path, text: str, name: str = "nightly.py") -> str:
    """Write a script and return its path."""
    file = folder / name
    file.write_text(textwrap.dedent(text))
    return str(file)


def outcome(sink: Sink, job: str) -> tuple[Any, ...]:
    """Return what is recorded of the only run of `job`: status, error type, exit code, reason."""
    assert sink.total("batch.job.runs.started", job_name=job) == 1
    [ended] = [point.attributes for point in sink.points("batch.job.completions") if point.value]
    attributes = sink.span(f"batch_job.{job}").attributes
    assert sink.event("batch.run.finished").attributes["batch.status"] == ended["status"] == attributes["batch.status"]
    assert ended["job_name"] == job
    reason = attributes.get("batch.status.reason")
    return ended["status"], ended.get("error_type"), attributes.get("process.exit.code"), reason


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending(sink: Sink, tmp_path: Path, ending: str) -> None:
    """Exit code, stdout and stderr are those of the plain script; what happened is recorded."""
    file = script(tmp_path, f"print('working')\n{ending}\n")
    plain = call([sys.executable, file], None)
    finished = call(instrumented(file), sink)
    code, *expected = ENDINGS[ending]
    assert plain.returncode == code
    assert (finished.returncode, finished.stdout) == (code, plain.stdout)
    # An exit handler's traceback names it by its address.
    assert finished.stderr.partition(b" at 0x")[0] == plain.stderr.partition(b" at 0x")[0]
    assert outcome(sink, "nightly") == tuple(expected)


@pytest.mark.parametrize("way", ["script", "-m", "-c", "stdin"])
def test_a_bare_system_exit(sink: Sink, tmp_path: Path, way: str) -> None:
    """Its code is recorded, whichever way the program is started."""
    text = "def main():\n    return 3\nraise SystemExit(main())\n"
    file = script(tmp_path, text)
    arguments = {"script": [file], "-m": ["-m", "nightly"], "-c": ["-c", text], "stdin": []}[way]
    finished = call(instrumented(*arguments), sink, cwd=tmp_path, stdin=None, input=text.encode())
    assert (finished.returncode, finished.stdout, finished.stderr) == (3, b"", b"")
    expected = ("failure", "SystemExit", 3, None)
    assert outcome(sink, "nightly" if way in ("script", "-m") else "python") == expected


@pytest.mark.parametrize("way", ["-m", "-c", "stdin"])
def test_other_ways_to_start_python(sink: Sink, tmp_path: Path, way: str) -> None:
    """A module, text and stdin: arguments, exit code and name."""
    text = "import sys; print(sys.argv[1:]); sys.exit(6)"
    script(tmp_path, text)
    arguments = {"-m": ["-m", "nightly", "a b"], "-c": ["-c", text, "a b"], "stdin": ["-", "a b"]}[way]
    finished = call(instrumented(*arguments), sink, cwd=tmp_path, stdin=None, input=text.encode())
    assert (finished.returncode, finished.stdout, finished.stderr) == (6, b"['a b']\n", b"")
    assert outcome(sink, "nightly" if way == "-m" else "python") == ("failure", "SystemExit", 6, None)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("python job.py", "job"),
        ("python -u -W error -Xdev /app/job.py --date 2026-03-01", "job"),
        ("python -W error -m pkg.job x", "pkg.job"),
        ("python -Im job x", "job"),
        ("python -mjob x", "job"),
        ("python -c code x", "python"),
        ("python -Ic code x", "python"),
        ("python -ccode x", "python"),
        ("python - x", "python"),
        ("python", "python"),
        ("python -u", "python"),
        ("python -m", "python"),
        ("python --check-hash-based-pycs always job.py", "job"),
        ("python /app/folder/ x", "folder"),
        ("python app.pyz", "app.pyz"),
        ("python -Wc job.py", "job"),
    ],
)
def test_the_name_of_a_program(arguments: str, name: str) -> None:
    """What is run gives the name; never an argument, and never code."""
    assert program_name(arguments.split()) == name


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"BATCHTEL_JOB": "named", "OTEL_SERVICE_NAME": "service"}, "named"),
        ({"OTEL_SERVICE_NAME": "service"}, "service"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "report-29123456-x7k2p"}, "report"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "BATCHTEL_JOB": "report-29123456"}, "report"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "pod-of-something"}, "nightly"),
        ({"HOSTNAME": "report-29123456-x7k2p"}, "nightly"),
    ],
)
def test_name_rules(sink: Sink, tmp_path: Path, variables: dict[str, str], name: str) -> None:
    """BATCHTEL_JOB, else OTEL_SERVICE_NAME, else the CronJob of the pod, else the script; never with a date."""
    assert call(instrumented(script(tmp_path, "pass")), sink, variables).returncode == 0
    assert outcome(sink, name)[0] == "success"


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "KeyboardInterrupt")])
def test_a_script_that_is_asked_to_end(sink: Sink, tmp_path: Path, number: signal.Signals, reason: str) -> None:
    """SIGTERM and SIGINT: the script dies by the signal, and its run is cancelled."""
    file = script(tmp_path, "import time; print('ready', flush=True); time.sleep(100)")
    with Talking(instrumented(file), sink, stderr=subprocess.DEVNULL) as talking:
        assert talking.line("the start") == "ready"
        sink.wait_event("batch.run.started")
        talking.process.send_signal(number)
        assert talking.end() == -number
    assert outcome(sink, "nightly") == ("cancelled", None, None, reason)


def test_a_script_that_forks(sink: Sink, tmp_path: Path) -> None:
    """The child of a fork, however it ends, is no run and ends none; the script's own log goes on."""
    text = """
        import logging, os, sys
        for end in ("sys.exit(9)", "os._exit(8)", "raise ValueError"):
            if os.fork() == 0:
                sys.stderr = open(os.devnull, "w")
                exec(end)
            os.wait()
        logging.getLogger("nightly").warning("after the forks")
        """
    finished = call(instrumented(script(tmp_path, text)), sink)
    assert (finished.returncode, finished.stderr) == (0, b"after the forks\n")
    assert outcome(sink, "nightly")[0] == "success"
    assert [log.body for log in sink.logs() if log.scope == "nightly"] == ["after the forks"]


def test_spans_and_logs_belong_to_the_run(sink: Sink, tmp_path: Path) -> None:
    """A span as a library's instrumentation makes it, and a log record within it, are below the run."""
    text = """
        import logging, urllib.request
        from opentelemetry import trace
        with trace.get_tracer("a.library").start_as_current_span("GET"):
            logging.getLogger("nightly").error("within")
        """
    finished = call(instrumented(script(tmp_path, text)), sink)
    assert (finished.returncode, finished.stderr) == (0, b"within\n")
    run, span = sink.span("batch_job.nightly"), sink.span("GET")
    assert (span.trace_id, span.parent_id) == (run.trace_id, run.span_id)
    [record] = [log for log in sink.logs() if log.scope == "nightly"]
    assert (record.span_id, record.severity) == (span.span_id, "ERROR")
    assert record.attributes["batch.run.id"] == run.attributes["batch.run.id"]


def test_the_logging_of_a_script_is_its_own(sink: Sink, tmp_path: Path) -> None:
    """basicConfig() works, the root logger has no handler but the script's, and each record is recorded once."""
    text = """
        import logging
        assert logging.root.handlers == [], logging.root.handlers
        logging.basicConfig(format="%(levelname)s:%(message)s", level=logging.INFO)
        logging.getLogger("nightly").info("once")
        """
    finished = call(instrumented(script(tmp_path, text)), sink)
    assert finished.stderr == b"INFO:once\n"
    assert [log.body for log in sink.logs() if log.scope == "nightly"] == ["once"]


PIPELINE = """
    import logging, threading, batchtel
    log = logging.getLogger("nightly")
    log.setLevel(logging.INFO)
    def work():
        log.warning("of a thread")
    # With two runs open it belongs to neither.
    with batchtel.job("another"):
        log.warning("of another run")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    for number in range(10_020):
        log.info("line %d", number)
    """


@pytest.fixture
def own_pipeline(tmp_path: Path) -> dict[str, str]:
    """Variables that give a program a log pipeline as opentelemetry-distro does, whose configurator is the SDK's."""
    metadata = tmp_path / "packages" / "own_pipeline-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-pipeline\nVersion: 1\n")
    configurator = "own = opentelemetry.sdk._configuration:_OTelSDKConfigurator"
    (metadata / "entry_points.txt").write_text(f"[opentelemetry_configurator]\n{configurator}\n")
    folder = str(metadata.parent)
    return {"PYTHONPATH": folder, "OTEL_LOGS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


def test_a_pipeline_to_the_same_place_sends_what_is_left(
    sink: Sink, tmp_path: Path, own_pipeline: dict[str, str]
) -> None:
    """Each record arrives once: with its run by us, and what is of no run or beyond its limit by the program's own."""
    variables = own_pipeline | {"BATCHTEL_EXIT_TIMEOUT": "20", "OTEL_EXPORTER_OTLP_TIMEOUT": "20"}
    finished = call(instrumented(script(tmp_path, PIPELINE)), sink, variables)
    assert finished.returncode == 0, finished.stderr
    records = {log.body: log.attributes.get("batch.job.name") for log in sink.logs() if log.scope == "nightly"}
    assert len([log for log in sink.logs() if log.scope == "nightly"]) == len(records) == 10_022
    assert (records["of another run"], records["of a thread"]) == ("another", None)
    jobs = [records[f"line {number}"] for number in range(10_020)]
    assert jobs == ["nightly"] * 10_000 + [None] * 20


def test_a_pipeline_to_another_place_has_all(sink: Sink, tmp_path: Path, own_pipeline: dict[str, str]) -> None:
    """Where the program's own pipeline leads elsewhere, here to stdout, nothing is kept from it."""
    file = script(tmp_path, "import logging; logging.getLogger('nightly').warning('once')")
    finished = call(instrumented(file), sink, own_pipeline | {"OTEL_LOGS_EXPORTER": "console"})
    assert b'"body": "once"' in finished.stdout
    assert [log.body for log in sink.logs() if log.scope == "nightly"] == ["once"]


def test_children_are_no_runs(sink: Sink, tmp_path: Path) -> None:
    """A Python that the script starts inherits the instrumentation and joins: its logs are those of the run."""
    text = f"""
        import subprocess, sys
        child = {python('import logging; logging.getLogger("child").warning("from the child"); raise SystemExit(4)')!r}
        assert subprocess.run(child).returncode == 4
        """
    finished = call(instrumented(script(tmp_path, text)), sink)
    assert (finished.returncode, finished.stderr) == (0, b"from the child\n")
    assert outcome(sink, "nightly")[0] == "success"
    [record] = [log for log in sink.logs() if log.scope == "child"]
    run = sink.span("batch_job.nightly")
    assert (record.trace_id, record.attributes["batch.run.id"]) == (run.trace_id, run.attributes["batch.run.id"])


@pytest.mark.parametrize("entries", ["", "/srv/jobs", "{folder}:/srv/jobs"])
def test_programs_that_follow_are_instrumented(monkeypatch: pytest.MonkeyPatch, entries: str) -> None:
    """OpenTelemetry's folder is in PYTHONPATH once, in a program that it has instrumented by that."""
    folder = str(Path(auto_instrumentation.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", entries.format(folder=folder))
    site = ModuleType("sitecustomize")
    monkeypatch.setitem(sys.modules, "sitecustomize", site)
    site.__file__ = "/usr/lib/python3/sitecustomize.py"
    instrument_programs_that_follow()
    assert os.environ["PYTHONPATH"] == entries.format(folder=folder)
    site.__file__ = f"{folder}/sitecustomize.py"
    instrument_programs_that_follow()
    expected = [folder, *(["/srv/jobs"] if "/srv/jobs" in entries else [])]
    assert os.environ["PYTHONPATH"].split(os.pathsep) == expected


def test_removing_the_instrumentation(sink: Sink, tmp_path: Path) -> None:
    """uninstrument() ends the run and leaves nothing behind: hooks, environment, logging."""
    text = """
        import atexit, logging, os, sys
        from batchtel.auto.instrumentor import BatchtelInstrumentor
        BatchtelInstrumentor().uninstrument()
        assert sys.excepthook is sys.__excepthook__
        assert sys.exit.__module__ == "sys"
        assert not [name for name in os.environ if name.startswith("BATCHTEL_")], os.environ
        assert "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION" not in os.environ
        logging.getLogger("nightly").warning("after the run")
        sys.exit(3)
        """
    finished = call(instrumented(script(tmp_path, text)), sink)
    assert (finished.returncode, finished.stderr) == (3, b"after the run\n")
    assert outcome(sink, "nightly")[0] == "success"
    assert [log.body for log in sink.logs() if log.scope == "nightly"] == []


def test_without_a_collector(tmp_path: Path) -> None:
    """Without an endpoint there is one warning and nothing else; turned off, not even that."""
    file = script(tmp_path, "import logging; logging.warning('its own'); raise SystemExit(3)")
    plain = call(instrumented(file), None, {"OTEL_SDK_DISABLED": "true"})
    assert (plain.returncode, plain.stderr) == (3, b"WARNING:root:its own\n")
    finished = call(instrumented(file), None)
    warning, own = finished.stderr.decode().splitlines()
    assert warning.startswith("OTEL_EXPORTER_OTLP_ENDPOINT is not set")
    assert (finished.returncode, own) == (3, "WARNING:root:its own")


def test_exit_is_that_of_the_interpreter(sink: Sink, tmp_path: Path) -> None:
    """What sys.exit() raises is a plain SystemExit, that can be pickled and compared by its class."""
    text = """
        import pickle, sys
        for code in (None, 0, 3, "text", (1, 2)):
            try:
                sys.exit(code)
            except SystemExit as exception:
                assert type(exception) is SystemExit
                assert pickle.loads(pickle.dumps(exception)).code == exception.code == code
        """
    finished = subprocess.run(
        instrumented(script(tmp_path, text)), env={}, capture_output=True, timeout=TIMEOUT, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert call(instrumented(script(tmp_path, text)), sink).returncode == 0
    assert outcome(sink, "nightly")[0] == "success"


def test_a_prompt(sink: Sink) -> None:
    """An exception at the prompt of `python -i` ends a line; the exit code is what the program ends with."""
    lines = b"print('hi')\nraise ValueError\nprint(3)\n"
    finished = call(instrumented("-i"), sink, {"BATCHTEL_JOB": "prompt"}, stdin=None, input=lines)
    assert (finished.returncode, finished.stdout) == (0, b"hi\n3\n")
    assert sink.total("batch.job.completions", job_name="prompt", status="success") == 1
