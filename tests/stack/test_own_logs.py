"""The collector's own log records in a real store of logs."""

from __future__ import annotations

import time
from pathlib import Path

from batchtel_dashboards.stores import Record, Wanted
from batchtel_stack.ports import HOST, Ports
from batchtel_stack.stack import Stack
from tests.support.polling import until


def test_a_failed_delivery_is_in_the_store_of_logs(tmp_path: Path) -> None:
    """What the collector logs is stored under its own name and shard: one stream, and no record about that record."""
    ports, since = Ports.free(), time.time()
    nowhere = {"prometheus": {"endpoint": f"http://{HOST}:{ports.prometheus}/nowhere"}}
    with Stack.running(tmp_path, ports, export_interval="1s", overrides=nowhere) as stack:
        (logs,), own = stack.stores.logs, Wanted("batchtel-collector")

        def look() -> list[Record] | None:
            records = logs.records(own, since, time.time() + 60)
            found = [record for record in records if "Exporting failed" in record.line]
            return found if len(found) >= 3 else None

        records = until("three log records of the collector", look, 60)
        assert {record.fields["service.instance.id"] for record in records} == {"standalone-0"}
        assert {record.fields["exporter"] for record in records if "exporter" in record.fields} <= {
            "prometheus_remote_write"
        }
        everything = logs.records(own, since, time.time() + 60)
        assert not [record for record in everything if "otlp_http/victorialogs" in str(record)]
