"""`batchtel doctor` on real stacks: a canary that arrives, and stores that drop it."""

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

from batchtel.cli.main import main
from batchtel_dashboards.stores import Jaeger, Prometheus, VictoriaLogs, Wanted
from batchtel_stack.doctor.canary import Canary
from batchtel_stack.doctor.limits import Discards
from batchtel_stack.stack import Stack
from tests.stack.altered import altered
from tests.stack.conftest import Played
from tests.support.polling import until
from tests.support.program import Program
from tests.support.recorded import answering


def examine(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, *options: str, endpoint: str = "", **variables: str
) -> tuple[Result, dict[str, Any]]:
    """Run `batchtel doctor --json` against a stack; `options` win over its addresses."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "BATCHTEL_"))]:
        monkeypatch.delenv(name)
    for name, text in {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint or stack.otlp_http, **variables}.items():
        monkeypatch.setenv(name, text)
    stores = ["--prometheus", stack.prometheus, "--victorialogs", stack.victorialogs, "--jaeger", stack.jaeger]
    result = CliRunner().invoke(main, ["doctor", "--json", *stores, *options])
    return result, json.loads(result.stdout)


def wrong(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return check -> (message, fix) of all findings with a problem."""
    findings = [finding for finding in report["findings"] if finding["result"] not in ("ok", "skipped")]
    return {finding["check"]: (finding["message"], finding["fix"]) for finding in findings}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_no_problem(played: Played, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary goes through, each store has it, the exit code is 0, and the ids of the report are those of the run."""
    stack = played.stack
    endpoint = stack.otlp_grpc if protocol == "grpc" else stack.otlp_http
    result, report = examine(stack, monkeypatch, endpoint=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert (result.exit_code, wrong(report), report["ok"]) == (0, {}, True)
    checks = [finding["check"] for finding in report["findings"] if finding["result"] == "ok"]
    assert checks[:6] == ["variables", "endpoint", "Prometheus", "VictoriaLogs", "Jaeger", "clock"]
    assert sorted(checks[6:]) == ["canary", "run in Jaeger", "run in Prometheus", "run in VictoriaLogs"]
    spans = Jaeger(stack.jaeger).trace(report["canary"]["trace_id"])
    assert {span.attributes["batch.run.id"] for span in spans} == {report["canary"]["run_id"]}


def test_a_store_that_is_not_there(
    played: Played, free_ports: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that does not answer is named, the run is found in the others, and the exit code is 3."""
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    result, report = examine(played.stack, monkeypatch, "--victorialogs", address)
    assert result.exit_code == 3
    assert list(wrong(report)) == ["VictoriaLogs"]
    assert (
        wrong(report)["VictoriaLogs"][1]
        == "start it (here: batchtel stack up), or name its address: --victorialogs URL"
    )
    results = {finding["check"]: finding["result"] for finding in report["findings"]}
    assert (results["run in VictoriaLogs"], results["run in Jaeger"], results["run in Prometheus"]) == (
        "skipped",
        "ok",
        "ok",
    )


def test_other_programs_at_the_addresses_of_stores(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus, which has no trace either, is not a Jaeger, and JSON alone is not a Prometheus; exit code 3."""
    stack = played.stack
    health = f"http://127.0.0.1:{stack.ports.collector_health}"
    result, report = examine(stack, monkeypatch, "--jaeger", stack.prometheus, "--prometheus", health)
    assert result.exit_code == 3
    assert {check: message for check, (message, _) in wrong(report).items()} == {
        "Prometheus": f"Prometheus answers unexpected JSON at {health}/api/v1/query. "
        "Is this address that of Prometheus?",
        "Jaeger": f"Jaeger answers 404 at {stack.prometheus}/api/traces. Is this address that of Jaeger?",
    }


def test_a_canary_that_cannot_run(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where jobs cannot start, that is reported, and no store is queried; exit code 1."""
    (tmp_path / "batchtel.py").write_text("raise SystemExit('not the package that you look for')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result, report = examine(played.stack, monkeypatch)
    assert result.exit_code == 1
    assert wrong(report) == {
        "canary": (
            "its process ended with 1 and printed: not the package that you look for",
            "find out why jobs do not run here: python -c 'import batchtel'",
        )
    }


def test_files_of_the_current_folder_are_no_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary imports what jobs import, wherever the doctor is called."""
    (tmp_path / "batchtel.py").write_text("raise SystemExit('a script of the user')")
    monkeypatch.chdir(tmp_path)
    canary = Canary.send()
    assert (canary.exit_code, len(canary.trace_id)) == (0, 32), canary.stderr


class _Late(BaseHTTPRequestHandler):
    """Answers each request, with a Date two hours ahead."""

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
        """Log nothing."""


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
    options = {"victorialogs": ("-loggerLevel=WARN", "-insert.maxFieldsPerLine=5")}
    with altered(tmp_path, {"series_limit": 1}, options) as stack:
        yield stack


def test_limits_that_are_too_small(small: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """VictoriaLogs and the collector drop the canary: each reason is found, with the setting that is too small."""
    result, report = examine(small, monkeypatch, "--timeout", "8")
    assert result.exit_code == 1
    found = wrong(report)
    assert {"run in Prometheus", "run in VictoriaLogs"} <= set(found)
    assert found["limits of VictoriaLogs"][0].endswith("items: too_many_fields")
    assert found["limits of VictoriaLogs"][1] == "raise -insert.maxFieldsPerLine"
    fixes = {finding["fix"] for finding in report["findings"] if finding["check"] == "limits of the collector"}
    assert "raise series_limit in the environment file" in fixes


COUNTED = {
    "Loki": (
        'loki_discarded_samples_total{policy="",reason="line_too_long",retention_hours="",tenant="fake"} ',
        ("Loki dropped 3 items: line_too_long", "set limits_config.max_line_size_truncate: true"),
    ),
    "Tempo": (
        'tempo_discarded_spans_total{reason="trace_too_large",tenant="single-tenant"} ',
        ("Tempo dropped 3 items: trace_too_large", "raise overrides.defaults.global.max_bytes_per_trace"),
    ),
}


@pytest.mark.parametrize("product", COUNTED)
def test_what_loki_and_tempo_have_dropped(product: str) -> None:
    """Their counters, in the form in which they were read on the real programs, before and after."""
    counter, (message, fix) = COUNTED[product]
    answers = {"/metrics": f"# TYPE counter\n{counter}4\n".encode()}
    with answering(answers) as store:
        discards = Discards({product: store.url})
        assert list(discards.since()) == []
        answers["/metrics"] = f"# TYPE counter\n{counter}7\n".encode()
        (finding,) = discards.since()
    assert (finding.check, finding.message, finding.fix) == (f"limits of {product}", message, fix)


def test_stores_of_an_environment(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --env the stores are those of the environment; exit code 0."""
    stack, mine = played.stack, tmp_path / "mine.yaml"
    mine.write_text(
        f"base: local\nname: mine\nprometheus: {{query: '{stack.prometheus}'}}\n"
        f"victorialogs: {{query: '{stack.victorialogs}'}}\njaeger: {{query: '{stack.jaeger}'}}\n"
    )
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", stack.otlp_http)
    result = CliRunner().invoke(main, ["doctor", "--json", "--env", str(mine)])
    assert (result.exit_code, wrong(json.loads(result.stdout))) == (0, {})


def test_an_environment_that_does_not_list_the_canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where unknown jobs become `other`, the canary is counted as `other`, and the report has that."""
    catalogue = tmp_path / "jobs.toml"
    catalogue.write_text("[jobs.nightly_etl]\n", encoding="utf-8")
    with altered(tmp_path, {"unknown_jobs": "other", "catalogue": str(catalogue)}) as stack:
        result, report = examine(stack, monkeypatch)
    assert (result.exit_code, wrong(report)) == (0, {})
    (message,) = [finding["message"] for finding in report["findings"] if finding["check"] == "run in Prometheus"]
    assert message.startswith('its completion is counted, under job_name="other" (unknown_jobs: other)')


def test_a_prometheus_that_accepts_no_writes(
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


def test_the_stores_have_what_is_reported(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report of a canary can be checked: its records are stored, its completion is counted in Prometheus."""
    prometheus, logs = Prometheus(played.stack.prometheus), VictoriaLogs(played.stack.victorialogs)
    _, report = examine(played.stack, monkeypatch)
    of_run = Wanted("batchtel_doctor", run_id=report["canary"]["run_id"])
    lines = [record.line for record in logs.records(of_run, played.since, played.since + 3600)]
    assert "a line of the canary" in lines
    counted = 'sum(batch_job_completions_total{job_name="batchtel_doctor",status="success"})'
    finished = Wanted("batchtel_doctor", "batch.run.finished")

    def alike() -> bool | None:
        # Canaries of other tests, which did not wait for Prometheus, may be on their way.
        ended = logs.records(finished, played.since, played.since + 3600)
        return True if prometheus.value(counted) == len(ended) else None

    until("Prometheus to have counted every canary whose end is among the logs", alike, 30)
