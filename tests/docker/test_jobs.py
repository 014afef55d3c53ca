"""Jobs in containers: what they did is in all stores of the profile `apache`, through kills and restarts."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from batchtel_dashboards.engines import EXACT
from batchtel_dashboards.history.reader import History
from batchtel_dashboards.history.selection import Selection
from batchtel_dashboards.stores import Wanted
from batchtel_stack.demo import ledger, quantities
from batchtel_stack.demo.quantities import Quantities
from tests.docker.conftest import Composed
from tests.support.polling import until
from tests.support.site import Site

pytestmark = pytest.mark.docker

SETTLED = 120


def written(composed: Composed, job: str) -> Quantities:
    """Return what the runs of a job have written into the ledger."""
    return quantities.by_ledger(line for line in ledger.read(composed.ledger) if line["job"] == job)


def test_stores_have_what_jobs_in_containers_did(composed: Composed) -> None:
    """Ten containers at once: each store has exactly the runs, steps and records of the ledger."""
    since = time.time() - 60
    jobs = [
        composed.start_job(["python", "/job/nightly.py", "ten_at_once", "5"], BATCHTEL_JOB="outer") for _ in range(10)
    ]
    ended = [composed.finish_job(job) for job in jobs]
    assert ended == [(0, "")] * 10
    expected = written(composed, "ten_at_once")
    ids = {line["run_id"] for line in ledger.read(composed.ledger)}
    assert expected["ten_at_once"]["started"] == 50

    def observed() -> list[Quantities]:
        stores, end = composed.stores, time.time() + 60
        found = [
            quantities.by_prometheus(stores.prometheus, "shop", EXACT),
            quantities.by_logs(stores.logs[0], "shop", ids, since, end),
            quantities.by_traces(stores.traces[0], "shop", ids, since, end),
        ]
        return [{job: counts for job, counts in one.items() if job == "ten_at_once"} for one in found]

    left_out = (quantities.NOT_OF_METRICS, quantities.NOT_OF_LOGS, quantities.NOT_OF_TRACES)
    wanted = [_without(expected, names) for names in left_out]
    until(
        "the ledger's counts in all stores",
        lambda: True if [_nonzero(one) for one in observed()] == wanted else None,
        SETTLED,
        lambda: f"expected {wanted}, observed {observed()}",
    )


def test_outcome_is_that_of_the_command(composed: Composed) -> None:
    """The image's entry point changes no exit code, and nothing of batchtel is on standard output."""
    code, output = composed.finish_job(composed.start_job(["sh", "-c", "echo loaded; exit 3"], BATCHTEL_JOB="exits_3"))
    assert (code, output) == (3, "loaded\n")
    assert _status(composed, "exits_3") == "failure"


def test_stop_of_a_container_is_recorded(composed: Composed) -> None:
    """SIGTERM reaches the command through process 1, and its run does not stay open."""
    running = composed.start_job(
        ["sh", "-c", "trap 'exit 7' TERM; echo up; while true; do sleep 0.1; done"], BATCHTEL_JOB="stopped"
    )
    until("the job", lambda: True if b"up" in running.logs() else None, 60)
    running.stop(timeout=30)
    assert composed.finish_job(running)[0] == 7
    assert _status(composed, "stopped") in {"cancelled", "failure"}


def test_records_of_the_program_belong_to_the_run_of_its_command(composed: Composed) -> None:
    """The entry point records the run, and the program within it has the same job: one run, with its records."""
    code = "import batchtel\nwith batchtel.job('joined') as job: job.records(processed=99, failed=1)"
    assert composed.finish_job(composed.start_job(["python", "-c", code], BATCHTEL_JOB="joined")) == (0, "")
    assert _status(composed, "joined") == "success"
    history = History(composed.stores.logs[0])
    (run,) = history.runs(Selection(time.time() - 3600, time.time() + 60, "joined"), 10)
    assert [run.document()[key] for key in ("records", "records_failed", "attempts")] == [99, 1, 1]


def test_memory_that_the_page_recommends_is_enough(composed: Composed) -> None:
    """`batchtel run` and a small command have room in it."""
    assert composed.finish_job(composed.start_job(["sh", "-c", "sleep 1; exit 5"], memory="64m"))[0] == 5


def test_memory_of_the_container_is_the_reason(composed: Composed) -> None:
    """A command that the kernel kills for its memory is lost, and the reason has the limit."""
    code = "bytearray(1 << 30)"
    container = composed.start_job(["python", "-c", code], memory="128m", BATCHTEL_JOB="too_large")
    assert composed.finish_job(container)[0] == 137
    assert _status(composed, "too_large") == "lost"
    history = History(composed.stores.logs[0])
    (run,) = history.runs(Selection(time.time() - 3600, time.time() + 60, "too_large"), 10)
    assert "memory" in run.last.error


def test_spool_in_a_fresh_volume(composed: Composed) -> None:
    """What cannot be delivered goes to a volume that Docker has just made, and the next run delivers it."""
    spool = {"BATCHTEL_SPOOL_DIR": "/var/spool/batchtel", "BATCHTEL_JOB": "spooled"}
    volume = composed.client.volumes.create()
    mount = {volume.name: {"bind": "/var/spool/batchtel"}}
    away = spool | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    code, output = composed.finish_job(composed.start_job(["sh", "-c", "exit 3"], mount, **away))
    assert code == 3
    assert "ermission denied" not in output
    composed.finish_job(composed.start_job(["true"], mount, **spool))
    until("both runs", lambda: True if _outcomes(composed, "spooled") == ["failure", "success"] else None, SETTLED)
    volume.remove()


def test_kills_and_restarts_lose_nothing(composed: Composed) -> None:
    """The collector is killed three times and each store restarted under load: totals stay equal to the ledger."""
    since = time.time() - 60
    # As in docs: a job that outlives an outage of its collector needs more than the default of 2 s at its end.
    patient = {"BATCHTEL_EXIT_TIMEOUT": "60", "OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
    jobs = [composed.start_job(["python", "/job/nightly.py", "under_fire", "60"], **patient) for _ in range(3)]
    for round_ in range(3):
        until(
            f"{20 * (round_ + 1)} runs",
            lambda least=20 * (round_ + 1): True if len(_runs(composed, "under_fire")) >= least else None,  # type: ignore[misc]
            120,
        )
        collector = composed.containers()["collector-apache"]
        # Not `docker kill`, after which Docker leaves a container down, but as the kernel does it out of memory.
        _kill(composed, collector)
        composed.containers()[("prometheus", "victorialogs", "jaeger")[round_]].restart(timeout=30)
        until("a collector that runs again", lambda: _healthy(composed, "collector-apache"), 120)
    ended = [composed.finish_job(job) for job in jobs]
    assert [code for code, _ in ended] == [0, 0, 0]
    # A job whose collector was away reports it once, and then that all of it was delivered.
    assert all(output == "" or output.endswith("everything is delivered\n") for _, output in ended), ended
    expected, ids = written(composed, "under_fire"), _runs(composed, "under_fire")
    assert len(ids) == 180
    wanted = _without(expected, quantities.NOT_OF_METRICS)
    until(
        "the ledger's counts in Prometheus",
        lambda: True if _of_metrics(composed, "under_fire") == wanted else None,
        SETTLED,
        lambda: f"expected {wanted}, observed {_of_metrics(composed, 'under_fire')}",
    )
    # What was in flight at a kill may be there twice.
    for store, found in (("VictoriaLogs", _in_logs), ("Jaeger", _in_traces)):
        until(
            f"all runs in {store}",
            lambda found=found: True if found(composed, "under_fire", since) == ids else None,  # type: ignore[misc]
            SETTLED,
            lambda found=found: f"not the same: {ids ^ found(composed, 'under_fire', since)}",  # type: ignore[misc]
        )


def test_data_survives_the_containers(composed: Composed) -> None:
    """`down` removes containers and network, `up` finds runs and totals again."""
    composed.finish_job(composed.start_job(["false"], BATCHTEL_JOB="kept"))
    assert _status(composed, "kept") == "failure"
    before = until("the totals", lambda: _of_metrics(composed, "kept") or None, SETTLED)
    outcome = composed.batchtel("stack", "down", "--docker")
    assert outcome.returncode == 0, outcome.stderr
    assert composed.containers() == {}
    outcome = composed.up()
    assert outcome.returncode == 0, outcome.stderr
    until("the same totals", lambda: True if _of_metrics(composed, "kept") == before else None, SETTLED)
    assert _status(composed, "kept") == "failure"


def test_pages_are_for_this_machine_only(composed: Composed) -> None:
    """The pages have the runs; a page of the internet whose name points to this machine cannot read them."""
    composed.finish_job(composed.start_job(["true"], BATCHTEL_JOB="on_a_page"))
    site = Site(f"http://127.0.0.1:{composed.ports.ui}")
    until("the run on a page", lambda: True if "on_a_page" in site.get("/runs").text else None, SETTLED)
    assert site.get("/runs", host="evil.example.com").status == 421


def test_damaged_queue_file_is_set_aside(composed: Composed, tmp_path: Path) -> None:
    """A collector with a damaged queue starts again by `up`, and the file stays for a look at it."""
    composed.containers()["collector-apache"].stop(timeout=60)
    volume = composed.client.volumes.get("batchtel-test_collector").attrs["Mountpoint"]
    (file, *_) = [path for path in (Path(volume) / "queue").iterdir() if path.name.startswith("exporter_")]
    file.write_bytes(b"\xff" * 16384)
    os.chown(file, 10001, 10001)
    outcome = composed.up()
    assert outcome.returncode == 0, outcome.stderr
    assert f"{file.name} is damaged" in composed.containers()["prepare"].logs().decode()
    (set_aside,) = file.parent.glob(f"{file.name}.*.damaged")
    assert set_aside.stat().st_uid == 10001


def _without(counts: Quantities, names: tuple[str, ...]) -> Quantities:
    return {
        job: {what: amount for what, amount in one.items() if amount and not what.startswith(names)}
        for job, one in counts.items()
    }


def _nonzero(counts: Quantities) -> Quantities:
    return _without(counts, ("no quantity has this name",))


def _of_metrics(composed: Composed, job: str) -> Quantities:
    found = quantities.by_prometheus(composed.stores.prometheus, "shop", EXACT)
    return _nonzero({name: counts for name, counts in found.items() if name == job})


def _runs(composed: Composed, job: str) -> set[str]:
    return {line["run_id"] for line in ledger.read(composed.ledger) if line["job"] == job}


def _in_logs(composed: Composed, job: str, since: float) -> set[str]:
    records = composed.stores.logs[0].records(Wanted("shop", job=job), since, time.time() + 60)
    return {one.fields["batch.run.id"] for one in records if one.fields.get("event_name") == "batch.run.finished"}


def _in_traces(composed: Composed, job: str, since: float) -> set[str]:
    store = composed.stores.traces[0]
    traces = store.find(Wanted("shop", job=job), since, time.time() + 60)
    # The run of the command that the image's entry point records is in the same trace.
    spans = (
        span.attributes for trace in traces for span in store.trace(trace) if span.attributes["batch.job.name"] == job
    )
    return {str(attributes["batch.run.id"]) for attributes in spans if "batch.step.name" not in attributes}


def _status(composed: Composed, job: str) -> str:
    return until(f"the end of {job}", lambda: _outcomes(composed, job) or None, SETTLED)[0]


def _outcomes(composed: Composed, job: str) -> list[str]:
    records = composed.stores.logs[0].records(Wanted("shop", job=job), time.time() - 3600, time.time() + 60)
    ends = (one.fields for one in records if one.fields.get("event_name") == "batch.run.finished")
    return sorted(fields["batch.status"] for fields in ends)


def _kill(composed: Composed, container: Any) -> None:
    if composed.compose.engine.own:
        os.kill(container.attrs["State"]["Pid"], signal.SIGKILL)
    else:
        container.kill()
        container.start()


def _healthy(composed: Composed, service: str) -> bool | None:
    state = composed.containers()[service].attrs["State"]
    return True if state["Running"] and state["Health"]["Status"] == "healthy" else None
