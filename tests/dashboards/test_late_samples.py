"""The recording rules on a real Prometheus, where samples arrive during an evaluation."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import yaml

from batchtel_dashboards import rules
from batchtel_stack import binaries, ports
from tests.support.polling import until
from tests.support.program import Program, fetch

TOTAL = "batch_job_completions_total"
SERIES = 1000
"""So many that samples often arrive in the middle of an evaluation."""

EVERY = 0.1
"""Seconds between two scrapes, and between two evaluations."""

SCRAPES = 60
"""So many that some come into the middle of an evaluation."""


class Totals:
    """Serves the totals of `SERIES` jobs at `address`; each scrape finds them grown by one, until `last` is set."""

    def __init__(self) -> None:
        self.value = 0
        self.last = False
        self.address = ""
        self._moments = random.Random(1)

    def text(self) -> bytes:
        """Return them, some time after Prometheus has given its samples their time: it does so when it asks."""
        time.sleep(self._moments.uniform(0, EVERY * 0.8))
        self.value += not self.last
        lines = (f'{TOTAL}{{job_name="{number}",instance="one",boot="1"}} {self.value}' for number in range(SERIES))
        return "\n".join((f"# TYPE {TOTAL} counter", *lines, "")).encode()


@contextmanager
def _served() -> Iterator[Totals]:
    totals = Totals()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = totals.text()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer((ports.HOST, 0), Handler) as server:
        totals.address = f"{ports.HOST}:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield totals
        server.shutdown()


def test_a_sample_between_two_rules_is_counted(tmp_path: Path) -> None:
    """Whenever samples arrive, the rules have counted the whole total in the end."""
    (port,) = ports.free(1)
    url = f"http://{ports.HOST}:{port}"
    (tmp_path / "rules.yaml").write_text(rules.text())
    with _served() as totals:
        every = f"{EVERY * 1000:.0f}ms"
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {"job_name": "totals", "honor_labels": True, "static_configs": [{"targets": [totals.address]}]}
            ],
        }
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            str(binaries.find("prometheus")),
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address={ports.HOST}:{port}",
            "--log.level=warn",
        ]
        with Program(command, tmp_path / "prometheus.log", f"{url}/-/ready"):
            until(f"{SCRAPES} scrapes", lambda: totals.value >= SCRAPES or None, 60)
            totals.last = True
            until("the last totals in Prometheus", lambda: _sum(url, TOTAL) == totals.value * SERIES or None, 30)
            arrived = time.time()
            # The second evaluation behind the last totals has found nothing more to count.
            until("two more evaluations", lambda: _evaluated(url) > arrived + 2 * EVERY or None, 30)
            counted = _sum(url, f"sum_over_time({rules.increment(TOTAL)}[1h])")
    assert counted == totals.value * SERIES


def _evaluated(url: str) -> float:
    """Return the Unix time of the latest evaluation of the rules that has begun."""
    (group,) = json.loads(fetch(f"{url}/api/v1/rules"))["data"]["groups"]
    return datetime.fromisoformat(group["lastEvaluation"]).timestamp()


def _sum(url: str, vector: str) -> float:
    answer = json.loads(fetch(f"{url}/api/v1/query?{urlencode({'query': f'sum({vector})'})}"))
    return sum(float(sample["value"][1]) for sample in answer["data"]["result"])
