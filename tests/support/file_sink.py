"""Where logs and spans end on the bench: a second collector that stands in for Loki and Tempo and writes files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.program import Program


@dataclass(frozen=True)
class Sink:
    """Addresses for the environment file, and the files with all that arrived, as OTLP JSON lines."""

    loki: str
    tempo: str
    logs: Path
    spans: Path

    def has(self, text: str) -> bool | None:
        """Return True when both files contain `text`, else None."""
        files = (self.logs, self.spans)
        return True if all(any(text in line for line in lines(file)) for file in files) else None


def lines(file: Path) -> list[str]:
    """Return the whole lines of a file exporter's file; it writes 4 KiB at a time, so the last may be half a line."""
    if not file.exists():
        return []
    *whole, _half = file.read_text(encoding="utf-8", errors="replace").split("\n")
    return whole


@contextmanager
def running(program: Path, folder: Path, grpc: int, http: int, health: int) -> Iterator[Sink]:
    """Start the sink and stop it in the end."""
    folder.mkdir(parents=True)
    sink = Sink(f"http://127.0.0.1:{http}/otlp", f"127.0.0.1:{grpc}", folder / "logs.json", folder / "spans.json")
    protocols = {
        "grpc": {"endpoint": sink.tempo},
        "http": {"endpoint": f"127.0.0.1:{http}", "logs_url_path": "/otlp/v1/logs"},
    }
    configuration = {
        "receivers": {"otlp": {"protocols": protocols}},
        "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
        "exporters": {
            "file/logs": {"path": str(sink.logs), "flush_interval": "20ms"},
            "file/spans": {"path": str(sink.spans), "flush_interval": "20ms"},
        },
        "service": {
            "extensions": ["health_check"],
            "telemetry": {"logs": {"level": "warn"}, "metrics": {"level": "none"}},
            "pipelines": {
                "logs": {"receivers": ["otlp"], "exporters": ["file/logs"]},
                "traces": {"receivers": ["otlp"], "exporters": ["file/spans"]},
            },
        },
    }
    file = folder / "sink.yaml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    with Program([program, "--config", file], folder / "sink.log", f"http://127.0.0.1:{health}"):
        yield sink
