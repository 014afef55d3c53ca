"""No secret is in any store: planted in a real job in every place there is, looked for in all that the stack keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from batchtel_dashboards.stores import Wanted
from batchtel_stack.stack import Stack
from tests.support.planted import SECRETS, TOKENS
from tests.support.polling import until

CONTROL: Final = "harmlessword"
"""A control text beside each secret: where it is not found, a search without a result proves nothing."""

BY_KEY: Final = "zx81bykey"
OWN: Final = "zx81customer4711"
"""Redacted by BATCHTEL_REDACT only."""

ON_THE_COMMAND_LINE: Final = ("zx81argument", "zx81userinfo")
IN_THE_RESOURCE: Final = "zx81resource"
KEY_LINES: Final = ("zx81MIIEvQIBADANBgkqhkiG9w0", "zx81BAQEFAASCBKcwggSjAgEAAo")
"""Lines of a private key that a command prints, each of which is a log record."""

VALUES: Final = {kind: f"zx81secret{number:02}" for number, kind in enumerate(SECRETS)}
TEXTS: Final = [
    *(f"{CONTROL} {text.format(VALUES[kind])}" for kind, text in SECRETS.items()),
    *(f"{CONTROL} got {token}" for token in TOKENS.values()),
    f"{CONTROL} order of {OWN}",
]
ALL: Final = {
    **VALUES,
    **TOKENS,
    "an attribute's key": BY_KEY,
    "BATCHTEL_REDACT": OWN,
    "argument": ON_THE_COMMAND_LINE[0],
    "URL argument": ON_THE_COMMAND_LINE[1],
    "resource": IN_THE_RESOURCE,
    "private key, line 1": KEY_LINES[0],
    "private key, line 2": KEY_LINES[1],
}


def _environment(endpoint: str, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "BATCHTEL_"))}
    return kept | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_SERVICE_NAME": "planted",
        "OTEL_RESOURCE_ATTRIBUTES": f"deployment.environment.name={CONTROL},db.url=postgresql://u:{IN_THE_RESOURCE}@db",
        # Puts the whole command line into the resource of every record.
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel,process",
        "BATCHTEL_REDACT": r"customer\d{4}|zx81customer\d+",
        **more,
    }


def _run(*command: str, env: dict[str, str]) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def _plant(plan: Path, environment: dict[str, str]) -> str:
    arguments = ["--password", ON_THE_COMMAND_LINE[0], f"--database=mysql://etl:{ON_THE_COMMAND_LINE[1]}@db/{CONTROL}"]
    job = str(Path(__file__).with_name("planting.py"))
    return _run(sys.executable, job, str(plan), *arguments, env=environment)


def _print(plan: Path, environment: dict[str, str]) -> str:
    """Run a command whose captured output and attributes are the secrets."""
    lines = "import json, sys; [print(text) for text in json.load(open(sys.argv[1]))['texts']]; print(sys.argv[2])"
    key = "\n".join(
        ["-----BEGIN RSA PRIVATE KEY-----", *KEY_LINES, "-----END RSA PRIVATE KEY-----", f"{CONTROL} after"]
    )
    options = ["--capture-output", "--job", "printed", "--attribute", f"dsn={TEXTS[0]}"]
    wrapper = [sys.executable, "-c", "from batchtel.cli.main import main; main()", "run", *options]
    return _run(*wrapper, "--", sys.executable, "-c", lines, str(plan), key, env=environment)


@dataclass(frozen=True)
class Kept:
    """Everything that a store keeps, as text, by the store's name."""

    stores: dict[str, str]

    def having(self, control: str) -> list[str]:
        """Return the stores that have `control`."""
        return [name for name, text in self.stores.items() if control in text]


@pytest.fixture(scope="module")
def kept(stack: Stack, tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Kept:
    """What the stores, and a spool, hold after jobs full of secrets."""
    folder, since = tmp_path_factory.mktemp("planted"), time.time() - 60
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"texts": TEXTS, "key": BY_KEY}))
    printed = _plant(plan, _environment(stack.otlp_http))
    assert VALUES["url"] in printed, "the job's own output is its own"
    assert KEY_LINES[1] in _print(plan, _environment(stack.otlp_http))
    spool = folder / "spool"
    refused = f"http://127.0.0.1:{free_ports(1)[0]}"
    _plant(plan, _environment(refused, BATCHTEL_SPOOL_DIR=str(spool), TMPDIR=str(folder)))
    records, traces = _wait(stack, since)
    return Kept(
        {
            "logs, lines": "\n".join(record.line for record in records),
            "logs, fields": json.dumps([dict(record.fields) for record in records], ensure_ascii=False),
            "traces": json.dumps(traces, ensure_ascii=False),
            "Prometheus": _series(stack),
            "spool": "\n".join(file.read_bytes().decode("latin-1") for file in sorted(spool.iterdir())),
            "files of the stack": "\n".join(
                file.read_bytes().decode("latin-1") for file in sorted(stack.data.rglob("*")) if file.is_file()
            ),
        }
    )


def _wait(stack: Stack, since: float) -> tuple[list[Any], list[Any]]:
    """Return all log records and all traces, once every run is whole in the stores."""
    (logs,), prometheus, expected = stack.stores.logs, stack.stores.prometheus, len(TEXTS) + 1

    def ended() -> list[Any] | None:
        found = logs.records(Wanted("planted"), since, time.time() + 60)
        return found if sum(r.fields.get("event_name") == "batch.run.finished" for r in found) == expected else None

    records = until(f"{expected} audit records", ended, 60)
    query = 'sum(batch_job_completions_total{job_name=~"planted|printed"})'
    until(f"{expected} completions in Prometheus", lambda: prometheus.value(query) == expected or None, 60)
    ids = {record.fields["trace_id"] for record in records if "trace_id" in record.fields}

    def traces() -> list[Any] | None:
        found = [_get(f"{stack.jaeger}/api/v3/traces/{trace_id}") for trace_id in sorted(ids)]
        return found if sum(json.dumps(trace).count('"batch_job.') for trace in found) == expected else None

    return records, until(f"the spans of {expected} runs in Jaeger", traces, 60)


def _series(stack: Stack) -> str:
    """Return every label set in Prometheus, and every exemplar."""
    everything = '{__name__=~".+"}'
    series = _get(f"{stack.prometheus}/api/v1/series?{urlencode({'match[]': everything})}")
    span = {"query": everything, "start": time.time() - 3600, "end": time.time() + 60}
    exemplars = _get(f"{stack.prometheus}/api/v1/query_exemplars?{urlencode(span)}")
    assert series["data"]
    return json.dumps([series, exemplars], ensure_ascii=False)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def test_at_least_twenty_secrets_are_planted() -> None:
    """All are different, none is part of another, and none is the control text."""
    assert len(ALL) >= 20
    for kind, secret in ALL.items():
        assert [other for other, text in ALL.items() if secret in text] == [kind]
    assert all(secret not in CONTROL and CONTROL not in secret for secret in ALL.values())


@pytest.mark.parametrize("kind", ALL)
def test_no_store_has_the_secret(kept: Kept, kind: str) -> None:
    """Neither lines nor fields of log records, nor spans, events, links and resources, labels, or any file."""
    assert kept.having(ALL[kind]) == []


def test_the_search_finds_what_is_no_secret(kept: Kept) -> None:
    """The control text is in every store, as often as it was planted: in lines, fields, spans and events."""
    assert kept.having(CONTROL) == list(kept.stores)
    assert kept.stores["logs, lines"].count(CONTROL) > 2 * len(TEXTS)
    assert kept.stores["traces"].count(CONTROL) > 5 * len(TEXTS)
    assert f"{CONTROL} after" in kept.stores["logs, lines"], "a line of output after a private key"
    for place in ("db.statement", "exception.stacktrace", "batch.inputs", "batch.outputs", "batch.schema.version"):
        assert f'"{place}"' in kept.stores["traces"]
        if place != "db.statement":
            assert f'"{place}"' in kept.stores["logs, fields"]
            assert place in kept.stores["spool"]
