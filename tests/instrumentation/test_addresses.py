"""Addresses in messages have no credentials."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel.redact.addresses import shown

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://u:hunter2@127.0.0.1:9/api", "http://127.0.0.1:9/api"),
        ("at 'http://u:hun@ter2@h', and https://hunter2@i", "at 'http://h', and https://i"),
        ("http://u:hun/ter2@h:9/x", "http://h:9/x"),
        ("http://u:hun?ter2@h:9", "http://h:9"),
        ("u:hunter2@h:4318", "h:4318"),
        (
            "http://h/?x=1&token=hunter2&api_key=hunter2&key=hunter2",
            "http://h/?x=1&token=[redacted]&api_key=[redacted]&key=[redacted]",
        ),
        ("http://h:9090/@all/a@b?q={job=1}", "http://h:9090/@all/a@b?q={job=1}"),
        ("write to ops@example.com: http://h:80", "write to ops@example.com: http://h:80"),
    ],
)
def test_shown(text: str, expected: str) -> None:
    """User, password and values of keys and tokens are left out, and nothing else; twice makes no difference."""
    assert shown(text) == shown(expected) == expected


@pytest.mark.parametrize(
    "address",
    [
        "http://u:hunter2@127.0.0.1:1",
        "https://u:hunter2@127.0.0.1:1",
        "http://u:hunter2@127.0.0.1:port",
        "http://u:hunter2/2@127.0.0.1",
        "http://127.0.0.1:1/?access_token=hunter2",
        "ftp://u:hunter2@127.0.0.1",
        "u:hunter2@127.0.0.1:1",
    ],
)
@pytest.mark.parametrize("place", ["endpoint", "store"])
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_the_doctor_shows_no_password(
    address: str, place: str, json: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In no message, whether the endpoint or a store cannot be reached or is no address."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address if place == "endpoint" else "http://127.0.0.1:1")
    store = address if place == "store" else "http://127.0.0.1:1"
    options = [part for name in ("prometheus", "victorialogs", "jaeger") for part in (f"--{name}", store)]
    result = CliRunner().invoke(main, ["doctor", *options, *json])
    assert result.exit_code in (2, 3)
    assert SECRET not in result.output
    assert "HTTPConnection" not in result.output
    assert "Errno" not in result.output


def test_nothing_is_as_recommended_without_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor reports the variables once, as wrong."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    nowhere = [
        part for name in ("prometheus", "victorialogs", "jaeger") for part in (f"--{name}", "http://127.0.0.1:1")
    ]
    result = CliRunner().invoke(main, ["doctor", *nowhere])
    lines = [line.split(": ")[0] for line in result.stdout.splitlines() if " variables: " in line]
    assert lines == ["WRONG  variables"]
    assert "connection refused" in result.stdout
