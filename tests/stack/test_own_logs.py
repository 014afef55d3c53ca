"""The collector's own log records in a real Loki."""

from __future__ import annotations

import time
from pathlib import Path

from batchtel_stack.ports import HOST, Ports
from batchtel_stack.stack import Stack
from batchtel_stack.stores import Loki, Record
from tests.pipeline.polling import until


def test_a_collector_that_cannot_deliver_says_so_in_loki(tmp_path: Path) -> None:
    """What the collector logs is in Loki under its own name and shard: one stream, and no record about that record."""
    ports, since = Ports.free(), time.time()
    nowhere = {"prometheus": {"endpoint": f"http://{HOST}:{ports.prometheus}/nowhere"}}
    with Stack.running(tmp_path, ports, cadence="1s", overrides=nowhere) as stack:
        loki = Loki(stack.loki)

        def told() -> list[Record] | None:
            records = loki.records('{service_name="batchtel-collector"}', since, time.time() + 60)
            found = [record for record in records if "Exporting failed" in record.line]
            return found if len(found) >= 3 else None

        records = until("three log records of the collector in Loki", told, 60)
        assert {record.fields["service_instance_id"] for record in records} == {"standalone-0"}
        assert {record.fields["exporter"] for record in records if "exporter" in record.fields} <= {
            "prometheus_remote_write"
        }
        everything = loki.records('{service_name="batchtel-collector"}', since, time.time() + 60)
        assert not [record for record in everything if "otlp_http/loki" in str(record)]
