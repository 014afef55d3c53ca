"""Files that an earlier version of batchtel has spooled as OTLP JSON: they are listed and sent as those of today."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from batchtel.export.spool import Spool
from tests.instrumentation.delivery.ledger import received
from tests.instrumentation.delivery.test_spool_command import JOB, host_with_a_spool, spool
from tests.support.process import succeed
from tests.support.sink import REQUESTS, Sink


def _with_hexadecimal(tree: Any) -> Any:
    if isinstance(tree, dict):
        ids = {"traceId", "spanId", "parentSpanId"}
        return {
            key: base64.b64decode(value).hex() if key in ids else _with_hexadecimal(value)
            for key, value in tree.items()
        }
    return [_with_hexadecimal(item) for item in tree] if isinstance(tree, list) else tree


@pytest.fixture
def variables(sink: Sink, tmp_path: Path) -> dict[str, str]:
    """The variables of a host whose spool has the three requests of one run, as JSON."""
    (tmp_path / "written").mkdir()
    variables = host_with_a_spool(sink, tmp_path)
    for file in (tmp_path / "spool").iterdir():
        signal = file.suffixes[-2].removeprefix(".")
        request = REQUESTS[f"/v1/{signal}"].FromString(file.read_bytes())
        tree = json_format.MessageToDict(request, use_integers_for_enums=True)
        file.with_suffix(".json").write_text(json.dumps(_with_hexadecimal(tree)) + "\n")
        file.rename(tmp_path / "written" / f"{signal}.binpb")
    sink.mode = "ok"
    for mark in (tmp_path / "host").rglob("*.unreachable"):
        mark.unlink()
    assert sorted(file.suffix for file in (tmp_path / "spool").iterdir()) == [".json"] * 3
    return variables


def _assert_sent(sink: Sink, folder: Path, processed: int) -> None:
    assert received(sink, repeated=True)["spooled"] == processed
    for path, kind in REQUESTS.items():
        written = (folder / "written" / f"{path.removeprefix('/v1/')}.binpb").read_bytes()
        assert kind.FromString(written) in [request for sent, request in sink.requests if sent == path]


def test_the_next_job_sends_them(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """What arrives is what the job before would have sent: ids, times and counts."""
    succeed(JOB, sink, **variables | {"BATCHTEL_EXIT_TIMEOUT": "20"})
    _assert_sent(sink, tmp_path, 10)
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_command_lists_and_sends_them(sink: Sink, tmp_path: Path, variables: dict[str, str]) -> None:
    """`list` counts them with the others, and `send` leaves none."""
    listed = json.loads(spool(None, "list", "--json", **variables).stdout)
    assert (listed["requests"], listed["signals"]) == (3, {"traces": 1, "metrics": 1, "logs": 1})
    assert listed["bytes"] == sum(file.stat().st_size for file in (tmp_path / "spool").iterdir())
    done = spool(sink, "send", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("sent 3 requests (1 traces, 1 metrics, 1 logs) from ")
    _assert_sent(sink, tmp_path, 5)
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "{no request", "[]", "{}", '{"other": 1}', '{"resourceSpans": [{"traceId": "zz"}]}', "\udc80"]
)
def test_what_is_no_request_is_named(sink: Sink, tmp_path: Path, variables: dict[str, str], content: str) -> None:
    """It stays, and keeps no other from being sent."""
    file = tmp_path / "spool" / "0-1-1.traces.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    done = spool(sink, "send", **variables)
    assert done.returncode == 1
    assert f"{file} is no request of OTLP; remove it" in done.stderr
    assert list((tmp_path / "spool").iterdir()) == [file]


def test_they_make_room(tmp_path: Path) -> None:
    """They count for the size of the spool, and the oldest goes; files that are none of the spool's do not."""
    former, other = tmp_path / "0-1-1.traces.json", tmp_path / "0.json"
    for file in (former, other):
        file.write_bytes(b"x" * 400_000)
    for _ in range(2):
        Spool(str(tmp_path), 2**20, "traces").write(b"x" * 400_000)
    assert (former.exists(), other.exists()) == (False, True)
