"""Forks at the worst moments, and forks under gRPC; a child that hangs is ended by the watchdog of `run`."""

from __future__ import annotations

import pytest

from tests.instrumentation.delivery import grpc_sink
from tests.instrumentation.delivery.ledger import received
from tests.support.polling import until
from tests.support.process import start, succeed
from tests.support.sink import Sink


def test_fork_while_an_export_runs(sink: Sink) -> None:
    """A child that is forked while its parent's exports hang sends its own, once, and nothing of its parent's."""
    sink.mode = "late"
    script = """
        import os, sys, batchtel
        with batchtel.job("parent") as run:
            run.records(processed=10)
            assert not batchtel.flush(0.5)
        print("hanging", flush=True)
        sys.stdin.readline()
        child = os.fork()
        if child == 0:
            with batchtel.job("child") as run:
                run.records(processed=7)
            assert batchtel.flush(20)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print("child ended", flush=True)
        sys.stdin.readline()
        assert batchtel.flush(20)
        """
    with start(script, sink, BATCHTEL_EXIT_TIMEOUT="20") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        _until_all_signals_hang(sink)
        sink.mode = "ok"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "child ended\n"
        assert received(sink, repeated=True) == {"child": 7}
        sink.release.set()
        _, errors = process.communicate("\n", timeout=60)
    assert process.returncode == 0, errors
    assert received(sink, repeated=True) == {"child": 7, "parent": 10}


def _until_all_signals_hang(sink: Sink) -> None:
    until("3 requests", lambda: len(sink.headers) >= 3 or None, 20, lambda: f"{len(sink.headers)} have come")


def test_fork_while_the_exporter_is_imported(sink: Sink) -> None:
    """Children that are forked at any moment of the first export can export themselves: 12 of 12."""
    succeed(
        """
        import os, sys, time, warnings, batchtel
        # Python 3.12 warns of a fork beside any thread, ours included.
        warnings.simplefilter("ignore", DeprecationWarning)
        children = []
        with batchtel.job("parent") as run:
            batchtel.telemetry.process.telemetry().send_soon()
            for _ in range(12):
                # Spread over the import of requests, which lasts 0.1 to 0.5 s and begins 0.2 s after the start.
                time.sleep(0.04)
                child = os.fork()
                if child == 0:
                    with batchtel.job("child") as own:
                        own.records(processed=1)
                    os._exit(0 if batchtel.flush(20) else 1)
                children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 12
        """,
        sink,
        BATCHTEL_EXIT_TIMEOUT="20",
    )
    assert received(sink, repeated=True)["child"] == 12


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.compatible(
    "Processes",
    "multiprocessing with OTLP over gRPC",
    "what each process records",
)
def test_grpc_in_other_processes(method: str) -> None:
    """Over gRPC what a child counts arrives once, also in one forked from a process that has used gRPC."""
    with grpc_sink.running() as (sink, _):
        succeed(
            """
            import multiprocessing, sys, batchtel

            def work():
                with batchtel.job("grpc") as run:
                    run.records(processed=7)

            if __name__ == "__main__":
                with batchtel.job("grpc") as run:
                    run.records(processed=10)
                assert batchtel.flush(20)
                child = multiprocessing.get_context(sys.argv[1]).Process(target=work)
                child.start()
                child.join()
                assert child.exitcode == 0
            """,
            sink,
            method,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            BATCHTEL_EXIT_TIMEOUT="20",
        )
        assert received(sink, repeated=True)["grpc"] == 17
