"""Held to the two tables: what leaves a job is in the table of signals, what is read is in the table of settings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import batchtel
from batchtel.base import switch
from batchtel.schema.settings import SETTINGS, read
from batchtel.schema.signals import ATTRIBUTES, JOB_LABELS, METRICS
from batchtel.schema.spans_and_events import EVENTS, SPANS
from tests.support.process import environment, run, succeed
from tests.support.sink import Sink

PACKAGE = Path(batchtel.__file__).parent

EVERYTHING = """
    import os, subprocess, sys, batchtel
    opens = "import batchtel\\nwith batchtel.job('everything', type='etl') as job: "
    joins = opens + "job.records(processed=1); job.quality(1, schema_version='7'); job.progress(1, total=1); "
    joins += "job.watermark(1700000000); job.inputs('in'); job.outputs('out')"
    command = [sys.executable, "-c", "from batchtel.cli.main import main; main()", "run", "--", sys.executable]
    with batchtel.job("everything", type="etl", attempt=2) as job:
        subprocess.run([sys.executable, "-c", joins], check=True)
        with batchtel.step("good") as step:
            step.records(read=3, written=2, failed=1)
            step.inputs("in")
            step.outputs("out")
            try:
                raise ValueError("no customer")
            except ValueError as error:
                step.failed_record("row-1", error)
        for name in ("extract", "transform", "load"):
            with batchtel.step(name) as step:
                step.records(read=3, written=2, failed=1)
        job.records(processed=2, failed=1)
        job.failed_record("row-2", "no date")
        job.quality(0.97, schema_version="7")
        job.progress(2, total=3)
        job.watermark(1700000000)
        job.inputs("in")
        job.outputs("out")
    for ending in (SystemExit(3), KeyError("k"), KeyboardInterrupt()):
        try:
            with batchtel.job("everything", type="etl"), batchtel.step("bad"):
                raise ending
        except BaseException:
            pass
    subprocess.run([*command, "-c", ""], check=True)
    os.environ |= {"AIRFLOW_CTX_DAG_ID": "everything", "AIRFLOW_CTX_DAG_RUN_ID": "run"}
    for name in ("extract", "transform", "load"):
        os.environ["AIRFLOW_CTX_TASK_ID"] = name
        step = batchtel.current_step()
        step.records(read=3, written=2, failed=1)
        step.inputs("in")
        step.outputs("out")
    del os.environ["AIRFLOW_CTX_DAG_ID"]
    again = batchtel.retry(attempts=1)(batchtel.step("again")(lambda: None))
    batchtel.retry(attempts=1)(batchtel.job("everything", type="etl")(again))()
    """


ELSEWHERE = {"batch.log.limit", *(row.name for row in EVENTS if "attempt" in row.name or "retr" in row.name)}
"""Events of failed attempts and of a full log, whose tests are those of retries and limits."""

SCHEDULER = {"BATCHTEL_SCHEDULED_AT": "1700000000", "BATCHTEL_QUEUED_AT": "1700000001"}

CATALOGUE: Final = """
[jobs.everything]
owner = "ada"
team = "sales"
sla = {min_records = 3, max_duration = "1h"}
"""
"""Some of the runs violate it."""


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """The variables of a run that a scheduler starts, with a catalogue."""
    (tmp_path / "jobs.toml").write_text(CATALOGUE)
    return {**SCHEDULER, "BATCHTEL_CATALOGUE": str(tmp_path / "jobs.toml")}


def _kind(name: str) -> str:
    return {"batch_job": "batch_job.<job>", "batch_step": "batch_step.<step>"}[name.partition(".")[0]]


def test_every_row_is_produced_and_nothing_else(sink: Sink, surroundings: dict[str, str]) -> None:
    """One job that does everything sends each metric, span, event and attribute of the table, and nothing beyond."""
    succeed(EVERYTHING, sink, **surroundings)

    metrics: dict[str, set[str]] = {}
    for point in sink.points():
        metrics.setdefault(point.metric, set()).update(point.attributes)
    # On top of the table, whose job it is.
    assert metrics == {row.name: {*row.attributes, "owner", "team"} for row in METRICS}

    spans: dict[str, set[str]] = {}
    for span in sink.spans():
        spans.setdefault(_kind(span.name), set()).update(span.attributes)
    missing = {row.name: set(row.attributes) ^ spans[row.name] for row in SPANS}
    assert {name: keys for name, keys in missing.items() if keys} == {}

    events: dict[str, set[str]] = {}
    for log in sink.logs():
        events.setdefault(log.event, set()).update(log.attributes)
    own = [row for row in EVENTS if row.name not in ELSEWHERE]
    differing = {row.name: (set(row.attributes) ^ events.get(row.name, set())) - {"batch.step.attempt"} for row in own}
    assert {name: keys for name, keys in differing.items() if keys} == {}
    assert set(events) - ELSEWHERE == {row.name for row in own}

    keys = set().union(*metrics.values(), *spans.values(), *events.values())
    assert keys <= {row.key for row in (*ATTRIBUTES, *JOB_LABELS)}
    used = keys.union(*(row.attributes for row in EVENTS if row.name in ELSEWHERE))
    assert used == {row.key for row in (*ATTRIBUTES, *JOB_LABELS)} - {"tag"}  # of Airflow only
    of_spans: dict[str, set[str]] = {}
    for name, attributes in (event for span in sink.spans() for event in span.events):
        of_spans.setdefault(name, set()).update(attributes)
    assert of_spans == {
        "exception": {"exception.type", "exception.message", "exception.stacktrace"},
        "batch.sla.violated": {"batch.sla.violation", "batch.sla.limit", "batch.sla.observed"},
    }


APART: Final = {
    "batch.step.name": "of steps",
    "batch.step.attempt": "of steps",
    "batch.records.read": "of steps",
    "batch.records.written": "of steps",
    "batch.records.extracted": "of steps",
    "batch.records.transformed": "of steps",
    "batch.records.transform_errors": "of steps",
    "batch.records.loaded": "of steps",
    "batch.record.id": "of one record",
    "batch.sla.violation": "of one violation",
    "batch.sla.limit": "of one violation",
    "batch.sla.observed": "of one violation",
}
"""Attributes that are not in the audit record of a run, and what they are of."""


def test_the_audit_record_is_whole() -> None:
    """batch.run.finished can carry every attribute of the table that is of a run, and batch.step.finished of a step."""
    rows = {row.name: set(row.attributes) for row in EVENTS}
    everything = {row.key for row in ATTRIBUTES if not row.label}
    assert everything - rows["batch.run.finished"] == set(APART)
    spans = {row.name: set(row.attributes) for row in SPANS}
    assert spans["batch_job.<job>"] <= rows["batch.run.finished"]
    assert spans["batch_step.<step>"] <= rows["batch.step.finished"]
    assert {key for key in set(APART) - rows["batch.step.finished"] if APART[key] == "of steps"} == set()
    assert {"batch.inputs", "batch.outputs", "batch.started_at", "batch.status.reason", "exception.stacktrace"} <= rows[
        "batch.step.finished"
    ]


def test_attributes_have_the_type_of_the_table(sink: Sink, surroundings: dict[str, str]) -> None:
    """Each attribute arrives in the type that the table promises."""
    succeed(EVERYTHING, sink, **surroundings)
    types = {"string": str, "int": int, "double": float, "boolean": bool, "string[]": list}
    table = {row.key: types[row.type] for row in (*ATTRIBUTES, *JOB_LABELS)}
    records = [record.attributes for record in sink.spans()]
    records += [record.attributes for record in sink.logs()]
    records += [point.attributes for point in sink.points()]
    for attributes in records:
        for key, value in attributes.items():
            assert type(value) is table[key], (key, value)


NO_SETTINGS = dict.fromkeys(
    ("BATCHTEL_OPEN_RUN", "BATCHTEL_OPEN_TYPE", "BATCHTEL_OPEN_TALLY", "BATCHTEL_OPEN_BY"),
    "a mark between processes, not for users",
)


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        yield str(file.relative_to(PACKAGE)), ast.parse(file.read_text(encoding="utf-8"))


def test_variables_that_are_read_are_in_the_table() -> None:
    """No module names a variable of OpenTelemetry's or ours that the table lacks; the exceptions are real ones."""
    documented = {variable for row in SETTINGS.values() for variable in row.variables}
    assert not documented & set(NO_SETTINGS)
    named: dict[str, str] = {}
    for name, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if text.isidentifier() and not text.endswith("_") and text.startswith(("OTEL_", "BATCHTEL_")):
                    named[text] = name
    unknown = {variable: name for variable, name in named.items() if variable not in documented}
    assert set(unknown) == set(NO_SETTINGS), unknown


ENVIRONMENT_READERS = {
    "schema/settings.py": "the table's one reader",
    "base/switch.py": "OTEL_SDK_DISABLED, for which the table is not loaded",
    "base/start_environment.py": "the same marks as they were at the start, and the id of the next run",
    "base/run_environment.py": "the marks between processes: TRACEPARENT and the open run",
    "base/identity.py": "the name of a program that has none",
    "export/connection.py": "the settings of a connection",
    "export/endpoint.py": "the connection of an endpoint that is made without settings",
    "export/client.py": "whether the job has chosen what gRPC writes",
    "export/credential_provider.py": "the name of a provider, in the settings of an endpoint",
    "export/http_client.py": "where the file of names and passwords is, as for requests and curl",
    "export/outage_marker.py": "the host's temporary folder",
    "runs/programs.py": "the mark of a run, in the environment of each program that it starts",
    "runs/dag_run_ids.py": "the environment's name, a part of the trace ids of Airflow's DAG runs",
    "auto/instrumentor.py": "the type of a program that has none",
    "spark/executors.py": "hands its variables to Python workers of Spark",
    "cli/spawn.py": "hands its whole environment to a child",
    "cli/run.py": "hands its whole environment to the command",
}


def test_the_environment_is_read_in_few_places() -> None:
    """os.environ and os.getenv appear in the listed modules and no other."""
    users = set()
    for name, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"):
                users.add(name)
            if isinstance(node, ast.ImportFrom) and node.module == "os":
                users |= {name for alias in node.names if alias.name in ("environ", "getenv", "environb")}
    assert users <= set(ENVIRONMENT_READERS), users - set(ENVIRONMENT_READERS)


def test_defaults_of_the_table_are_what_is_used() -> None:
    """Without any variable each setting is its default of the table, durations in seconds."""
    values = read({})
    assert values.problems == ()
    scale = {"milliseconds": 1000.0, "seconds": 1.0}
    for name, row in SETTINGS.items():
        if row.read_by != "batchtel":
            continue
        value = getattr(values, name)
        if row.type in scale:
            assert value == float(row.default) / scale[row.type], name
        elif row.type == "size":
            assert (value, row.default) == (64 * 2**20, "64MiB"), name
        elif row.type == "boolean":
            assert value is (row.default == "true"), name
        else:
            assert str(value) == row.default, name


@pytest.mark.parametrize("text", [None, "", "true", " TRUE ", "True", "false", "1", "yes"])
def test_the_switch_is_read_by_the_table(text: str | None) -> None:
    """What turns batchtel off without the table of settings is what the table makes of the variable."""
    environ = {} if text is None else {"OTEL_SDK_DISABLED": text}
    assert switch.is_asked_for(environ) is read(environ).disabled


def test_the_first_variable_of_a_row_counts() -> None:
    """Each variable of a row sets it, an earlier one wins, and an empty one counts as unset."""
    samples = {"string": ("one", "two"), "boolean": ("true", "false"), "integer": ("7", "8"), "size": ("2KiB", "3GiB")}
    for name, row in SETTINGS.items():
        if row.read_by != "batchtel":
            continue
        first, second = samples.get(row.type, ("3", "4"))
        for variable in row.variables:
            assert getattr(read({variable: first}), name) != getattr(read({}), name), variable
            assert getattr(read({variable: f" {first} "}), name) == getattr(read({variable: first}), name), variable
            assert getattr(read({variable: " "}), name) == getattr(read({}), name), variable
        if len(row.variables) > 1:
            winner, loser = row.variables
            both = read({winner: first, loser: second})
            assert getattr(both, name) == getattr(read({winner: first}), name)
            assert getattr(read({winner: "", loser: second}), name) == getattr(read({loser: second}), name)


WRONG = {
    "BATCHTEL_EXIT_TIMEOUT": ("soon", "a number of seconds above 0", "2"),
    "OTEL_EXPORTER_OTLP_TIMEOUT": ("-1", "a number of seconds above 0", "10"),
    "OTEL_METRIC_EXPORT_INTERVAL": ("nan", "a number of milliseconds above 0", "15000"),
    "OTEL_BSP_SCHEDULE_DELAY": ("0", "a number of milliseconds above 0", "1000"),
    "OTEL_BLRP_SCHEDULE_DELAY": ("1s", "a number of milliseconds above 0", "1000"),
    "BATCHTEL_ATTEMPT": ("first", "a whole number above 0", "1"),
    "BATCHTEL_SPOOL_SIZE": ("64", "a whole number and KiB, MiB or GiB, such as 64MiB", "64MiB"),
}


def test_wrong_values_are_named_and_replaced(sink: Sink) -> None:
    """Each wrong value is one whole sentence on stderr, once a process, and the job runs with the default."""
    script = """
        import batchtel
        for _ in range(2):
            with batchtel.job("wrong") as job:
                assert job.attempt == 1
        """
    finished = run(script, sink, **{variable: value for variable, (value, _, _) in WRONG.items()})
    assert (finished.code, finished.stdout) == (0, "")
    assert sorted(finished.stderr.splitlines()) == sorted(
        f"{variable}={value!r} is not {expected}; {default} is used instead"
        for variable, (value, expected, default) in WRONG.items()
    )
    assert sink.total("batch.job.completions", status="success") == 2


@pytest.mark.parametrize("variable", ["BATCHTEL_RUN_ID", "BATCHTEL_ATTEMPT"])
def test_what_a_scheduler_sets_for_the_run(sink: Sink, variable: str) -> None:
    """BATCHTEL_RUN_ID is the run's id, BATCHTEL_ATTEMPT above 1 a retry."""
    script = """
        import batchtel
        with batchtel.job("scheduled"):
            pass
        """
    assert variable not in environment(None, {})
    succeed(script, sink, **{variable: "3"})
    attributes = sink.event("batch.run.finished").attributes
    if variable == "BATCHTEL_RUN_ID":
        assert attributes["batch.run.id"] == "3"
        assert sink.total("batch.job.retries") == 0
    else:
        assert attributes["batch.run.attempt"] == 3
        assert sink.total("batch.job.retries") == 1
