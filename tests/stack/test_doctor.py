"""`batchtel doctor` on real stacks: a canary that arrives, and stores that throw it away."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from batchtel.command import main
from batchtel_stack.doctor.canary import Canary
from batchtel_stack.stack import Stack
from batchtel_stack.stores import Loki, Prometheus, Tempo
from tests.pipeline.polling import until
from tests.pipeline.program import Program
from tests.stack.altered import altered
from tests.stack.conftest import Played


def examine(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, *options: str, endpoint: str = "", **variables: str
) -> tuple[Result, dict[str, Any]]:
    """Run `batchtel doctor --json` against a stack; `options` win over its addresses."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "BATCHTEL_"))]:
        monkeypatch.delenv(name)
    for name, text in {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint or stack.otlp_http, **variables}.items():
        monkeypatch.setenv(name, text)
    stores = ["--prometheus", stack.prometheus, "--loki", stack.loki, "--tempo", stack.tempo]
    result = CliRunner().invoke(main, ["doctor", "--json", *stores, *options])
    return result, json.loads(result.stdout)


def wrong(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return check -> (message, fix) of all findings that ask for something."""
    findings = [finding for finding in report["findings"] if finding["result"] not in ("ok", "skipped")]
    return {finding["check"]: (finding["message"], finding["fix"]) for finding in findings}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_all_is_well(played: Played, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary goes through, each store has it, the exit code is 0, and the ids of the report are those of the run."""
    stack = played.stack
    endpoint = stack.otlp_grpc if protocol == "grpc" else stack.otlp_http
    result, report = examine(stack, monkeypatch, endpoint=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert (result.exit_code, wrong(report), report["ok"]) == (0, {}, True)
    checks = [finding["check"] for finding in report["findings"] if finding["result"] == "ok"]
    assert checks[:6] == ["variables", "endpoint", "Prometheus", "Loki", "Tempo", "clock"]
    assert sorted(checks[6:]) == ["canary", "run in Loki", "run in Prometheus", "run in Tempo"]
    spans = Tempo(stack.tempo).trace(report["canary"]["trace_id"])
    assert {span.attributes["batch.run.id"] for span in spans} == {report["canary"]["run_id"]}


def test_a_store_that_is_not_there(
    played: Played, free_ports: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that does not answer is named, the run is found in the others, and the exit code is 3."""
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    result, report = examine(played.stack, monkeypatch, "--loki", address)
    assert result.exit_code == 3
    assert list(wrong(report)) == ["Loki"]
    assert wrong(report)["Loki"][1] == "start it (here: batchtel up), or name its address: --loki URL"
    results = {finding["check"]: finding["result"] for finding in report["findings"]}
    assert (results["run in Loki"], results["run in Tempo"], results["run in Prometheus"]) == ("skipped", "ok", "ok")


def test_other_programs_at_the_addresses_of_stores(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus, which knows no trace either, is no Tempo, and JSON alone makes no Prometheus; exit code 3."""
    stack = played.stack
    health = f"http://127.0.0.1:{stack.ports.collector_health}"
    result, report = examine(stack, monkeypatch, "--tempo", stack.prometheus, "--prometheus", health)
    assert result.exit_code == 3
    assert {check: message for check, (message, _) in wrong(report).items()} == {
        "Prometheus": f"Prometheus answers other JSON than it should at {health}/api/v1/query. "
        "Is this address that of Prometheus?",
        "Tempo": f"Tempo answers 404 at {stack.prometheus}/api/search. Is this address that of Tempo?",
    }


def test_a_canary_that_cannot_run(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where jobs cannot even begin, that is what is told, and nothing is looked for; exit code 1."""
    (tmp_path / "batchtel.py").write_text("raise SystemExit('not the package that you look for')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result, report = examine(played.stack, monkeypatch)
    assert result.exit_code == 1
    assert wrong(report) == {
        "canary": (
            "its process ended with 1 and says: not the package that you look for",
            "mend what keeps jobs from running here: python -c 'import batchtel'",
        )
    }


def test_files_of_the_current_folder_are_no_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary imports what jobs import, wherever the doctor is called."""
    (tmp_path / "batchtel.py").write_text("raise SystemExit('a script of the user')")
    monkeypatch.chdir(tmp_path)
    canary = Canary.send()
    assert (canary.exit_code, len(canary.trace_id)) == (0, 32), canary.said


class _Late(BaseHTTPRequestHandler):
    """Answers whatever it is asked, two hours before the time that it is here."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the Date header of a machine whose clock is two hours ahead."""
        import time

        return super().date_time_string(time.time() + 7200)

    def do_GET(self) -> None:
        """Answer as Prometheus does when it has nothing."""
        body = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def late() -> Iterator[str]:
    """A real HTTP server whose clock is two hours ahead."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Late) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_clock_that_is_off(played: Played, late: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with another time is named, and that it is two hours."""
    result, report = examine(played.stack, monkeypatch, "--prometheus", late, "--timeout", "5")
    assert result.exit_code == 1
    message, fix = wrong(report)["clock"]
    assert message.startswith("this machine's clock is 7200 s behind that of Prometheus: ") or "7199" in message
    assert fix == "set both clocks by NTP: timedatectl set-ntp true (containers have the clock of their host)"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Stack]:
    """A stack whose stores and whose collector have limits that no run fits into."""
    changes = {
        "loki": ("max_line_size_truncate: true ", "max_line_size: 5B #"),
        "tempo": ("max_bytes_per_trace: 50000000", "max_bytes_per_trace: 100"),
    }
    with altered(tmp_path, changes, {"series_limit": 1}) as stack:
        yield stack


def test_limits_that_are_too_small(small: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loki, Tempo and the collector throw the canary away: each reason is found, with the setting that is too small."""
    result, report = examine(small, monkeypatch, "--timeout", "8")
    assert result.exit_code == 1
    found = wrong(report)
    assert {"run in Prometheus", "run in Loki", "run in Tempo"} <= set(found)
    assert found["limits of Loki"][0].endswith("items: line_too_long")
    assert found["limits of Loki"][1] == "set limits_config.max_line_size_truncate: true"
    assert found["limits of Tempo"][0].endswith("items: trace_too_large")
    assert found["limits of Tempo"][1] == "raise overrides.defaults.global.max_bytes_per_trace"
    fixes = {finding["fix"] for finding in report["findings"] if finding["check"] == "limits of the collector"}
    assert "raise series_limit in the environment file" in fixes


def test_an_environment_that_does_not_know_the_canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where unknown jobs become `other`, the canary is counted as that, and the report says so."""
    with altered(tmp_path, {}, {"unknown_jobs": "other", "jobs": ["nightly_etl"]}) as stack:
        result, report = examine(stack, monkeypatch)
    assert (result.exit_code, wrong(report)) == (0, {})
    (message,) = [finding["message"] for finding in report["findings"] if finding["check"] == "run in Prometheus"]
    assert message.startswith('its completion is counted, under job_name="other" (unknown_jobs: other)')


def test_a_prometheus_that_takes_no_writes(
    played: Played, prometheus_program: Path, tmp_path: Path, free_ports: Callable[[int], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A Prometheus without its remote-write receiver: the option that it lacks is named."""
    (tmp_path / "prometheus.yml").write_text("{}")
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    command: list[str | Path] = [prometheus_program, f"--config.file={tmp_path / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={url.removeprefix('http://')}"]
    with Program(command, tmp_path / "log", f"{url}/-/ready"):
        _, report = examine(played.stack, monkeypatch, "--prometheus", url, "--timeout", "2")
    assert wrong(report)["run in Prometheus"] == (
        "not there after 2 s",
        "start Prometheus with --web.enable-remote-write-receiver",
    )


def test_the_stores_have_what_the_report_says(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report of a canary can be checked: its records are in Loki, its completion is counted in Prometheus."""
    prometheus, loki = Prometheus(played.stack.prometheus), Loki(played.stack.loki)
    _, report = examine(played.stack, monkeypatch)
    canaries = '{service_name="batchtel_doctor"}'
    of_run = f'{canaries} | batch_run_id="{report["canary"]["run_id"]}"'
    lines = [record.line for record in loki.records(of_run, played.since, played.since + 3600)]
    assert "a line of the canary" in lines
    counted = 'sum(batch_job_completions_total{job_name="batchtel_doctor",status="success"})'
    finished = f'{canaries} | event_name="batch.run.finished"'

    def alike() -> bool | None:
        # Canaries of other tests, which did not wait for Prometheus, may be on their way.
        return (
            True
            if prometheus.value(counted) == len(loki.records(finished, played.since, played.since + 3600))
            else None
        )

    until("Prometheus to have counted every canary whose end is in Loki", alike, 30)
