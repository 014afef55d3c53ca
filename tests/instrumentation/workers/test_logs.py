"""Log records of forked children are sent once, whoever else has wrapped the standard library's logging."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.instrumentation.workers.programs import run_on
from tests.support.interpreters import VERSIONS
from tests.support.process import succeed
from tests.support.sink import Sink

FORKED = """
    import logging, multiprocessing, os, warnings, batchtel
    # Python 3.12 warns of a fork beside any thread, ours included.
    warnings.simplefilter("ignore", DeprecationWarning)
    logging.basicConfig(level=logging.INFO, handlers=[logging.NullHandler()])
    log = logging.getLogger("forked")

    def wrap():
        before = logging.Logger.callHandlers

        def callHandlers(logger, record):
            before(logger, record)

        logging.Logger.callHandlers = callHandlers

    def work(row):
        log.info("row")

    {wrap_first}
    with batchtel.job("logging"):
        log.info("parent")
        {wrap_then}
        if (child := os.fork()) == 0:
            log.info("plain child")
            if (grandchild := os.fork()) == 0:
                log.info("grandchild")
                batchtel.flush()
                os._exit(0)
            os.waitpid(grandchild, 0)
            with batchtel.job("own"):
                log.info("own run")
            batchtel.flush()
            os._exit(0)
        os.waitpid(child, 0)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            pool.map(work, range(10))
            pool.close()
            pool.join()
        log.info("parent again")
    """


@pytest.mark.parametrize(("first", "then"), [("", ""), ("wrap()", ""), ("", "wrap()"), ("wrap()", "wrap()")])
@pytest.mark.compatible(
    "Processes",
    "log records of forked children, with another library around `Logger.callHandlers` or without",
    "each record once",
)
def test_each_record_arrives_once(sink: Sink, first: str, then: str) -> None:
    """A child that only logs, its child, and workers of a pool: every record once, with the run it belongs to."""
    succeed(FORKED.format(wrap_first=first, wrap_then=then), sink, BATCHTEL_EXIT_TIMEOUT="20")
    logged = Counter((log.body, log.attributes["batch.job.name"]) for log in sink.logs() if log.scope == "forked")
    assert logged == {
        ("parent", "logging"): 1,
        ("plain child", "logging"): 1,
        ("grandchild", "logging"): 1,
        ("own run", "own"): 1,
        ("row", "logging"): 10,
        ("parent again", "logging"): 1,
    }


def test_captures_do_not_pile_up() -> None:
    """Of many captures below a wrapper of somebody else each sees a record once, and the chain of calls stays short."""
    succeed(
        """
        import inspect, logging, batchtel
        from batchtel.testing import capture
        depths = []

        class Deep(logging.NullHandler):
            def handle(self, record):
                depths.append(len(inspect.stack()))

        logging.root.addHandler(Deep())
        before = logging.Logger.callHandlers
        for number in range(20):
            with capture() as captured, batchtel.job("captured"):
                if number == 0:
                    ours = logging.Logger.callHandlers
                    logging.Logger.callHandlers = lambda logger, record: ours(logger, record)
                logging.getLogger("app").warning("once")
                assert [record.body for record in captured.logs].count("once") == 1
        assert len(set(depths)) == 1, depths
        logging.Logger.callHandlers = ours
        with capture():
            pass
        assert logging.Logger.callHandlers is before
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )


@pytest.mark.parametrize("listener", ["thread", "process"])
def test_a_record_that_is_handed_on_arrives_once(sink: Sink, listener: str) -> None:
    """Workers that send their records to a listener, as the logging cookbook shows it: each record once."""
    succeed(
        """
        import logging, logging.handlers, multiprocessing, sys, threading, warnings, batchtel
        warnings.simplefilter("ignore", DeprecationWarning)
        fork = multiprocessing.get_context("fork")

        def listen(records):
            logging.root.handlers[:] = [logging.NullHandler()]
            while (record := records.get()) is not None:
                logging.getLogger(record.name).handle(record)

        def work(records, name):
            logging.root.handlers[:] = [logging.handlers.QueueHandler(records)]
            for row in range(5):
                logging.getLogger("worker").warning("%s %d", name, row)

        with batchtel.job("handing_on"):
            records = fork.Queue()
            kind = {"thread": threading.Thread, "process": fork.Process}[sys.argv[1]]
            listener = kind(target=listen, args=(records,))
            listener.start()
            workers = [fork.Process(target=work, args=(records, name)) for name in ("a", "b")]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            records.put(None)
            listener.join()
        """,
        sink,
        listener,
        BATCHTEL_EXIT_TIMEOUT="20",
    )
    logged = Counter(log.body for log in sink.logs() if log.scope == "worker")
    assert logged == {f"{name} {row}": 1 for name in "ab" for row in range(5)}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_shared_case(sink: Sink, version: str) -> None:
    """A child that only logs and workers of a pool that is terminated; what the job prints is as without batchtel."""
    script = """
        import logging, multiprocessing, os, threading, warnings, batchtel
        # Of a fork beside a thread of the job's own Python 3.12 warns by itself, or not: the thread may just be ending.
        warnings.simplefilter("ignore", DeprecationWarning)
        log = logging.getLogger("forked")

        def work(row):
            log.warning("row %d", row)

        def fork_in_thread():
            if os.fork() == 0:
                log.warning("child of a thread")
                batchtel.flush()
                os._exit(3)
            os.wait()

        if __name__ == "__main__":
            with batchtel.job("fork_logs"):
                log.warning("parent")
                thread = threading.Thread(target=fork_in_thread)
                thread.start()
                thread.join()
                if os.fork() == 0:
                    log.warning("plain child")
                    raise SystemExit(0)
                os.wait()
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    pool.map(work, range(10))
        """
    finished = run_on(version, script, sink)
    without = run_on(version, script, None)
    assert sorted(finished.stderr.splitlines()) == sorted(without.stderr.splitlines())
    assert (finished.code, finished.stdout) == (without.code, without.stdout) == (0, "")
    logged = Counter(log.body for log in sink.logs() if log.scope == "forked")
    assert logged == Counter(["parent", "plain child", "child of a thread", *(f"row {row}" for row in range(10))])
    assert {log.attributes["batch.job.name"] for log in sink.logs()} == {"fork_logs"}


def test_the_last_records_of_a_child_with_very_many(sink: Sink) -> None:
    """Beyond the limit of a run a forked child keeps its last records, too, and sends them at its end."""
    succeed(
        """
        import logging, os, sys, batchtel
        logging.basicConfig(level=logging.INFO, handlers=[logging.NullHandler()])
        with batchtel.job("very_many"):
            if os.fork() == 0:
                for row in range(12_000):
                    logging.info("row %d", row)
                sys.exit(0)
            os.wait()
        """,
        sink,
        BATCHTEL_EXIT_TIMEOUT="20",
    )
    bodies = {log.body for log in sink.logs()}
    assert {"row 0", "row 9999", "row 11999"} <= bodies
    assert len(bodies) <= 11_010
