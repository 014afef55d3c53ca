"""Which run a worker belongs to: that which started it, or the one that is open where it is used; and to none after."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.instrumentation.workers.programs import run_on
from tests.support.interpreters import VERSIONS
from tests.support.sink import Sink

METHODS = ["fork", "spawn", "forkserver"]

TWO_RUNS = """
    import logging, multiprocessing, sys, threading, warnings, batchtel
    warnings.simplefilter("ignore")
    method, order = sys.argv[1:]

    def work(name):
        batchtel.current_job().records(processed=1)
        log = logging.getLogger("worker")
        log.setLevel(logging.INFO)
        log.info(name)

    def start(name):
        if method == "loky":
            from joblib.externals.loky import ProcessPoolExecutor
            with ProcessPoolExecutor(1) as executor:
                list(executor.map(work, [name] * 3))
        else:
            for _ in range(3):
                process = multiprocessing.get_context(method).Process(target=work, args=(name,))
                process.start()
                process.join()

    def nested():
        with batchtel.job("first"):
            start("first")
            with batchtel.job("second"):
                start("second")

    def at_the_same_time():
        both = threading.Barrier(2)
        def thread(name):
            with batchtel.job(name):
                both.wait()
                start(name)
                both.wait()
        threads = [threading.Thread(target=thread, args=(name,)) for name in ("first", "second")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    if __name__ == "__main__":
        globals()[order]()
    """


def _silent(version: str, script: str, sink: Sink, *arguments: str) -> None:
    finished = run_on(version, script, sink, *arguments)
    assert (finished.code, finished.stdout, finished.stderr) == (0, "", "")


@pytest.mark.parametrize("order", ["nested", "at_the_same_time"])
@pytest.mark.parametrize("method", [*METHODS, "loky"])
def test_two_open_runs(sink: Sink, method: str, order: str) -> None:
    """Each worker belongs to the run that started it, also by a forkserver, whose environment is an older one."""
    _silent("3.11", TWO_RUNS, sink, method, order)
    logged = Counter((log.body, log.attributes["batch.job.name"]) for log in sink.logs() if log.scope == "worker")
    assert logged == {("first", "first"): 3, ("second", "second"): 3}
    for name in ("first", "second"):
        assert sink.total("batch.job.records.processed", job_name=name) == 3
    assert [event.attributes["batch.records.outcome"] for event in sink.events("batch.run.finished")] == [
        "sufficient",
        "sufficient",
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", METHODS)
def test_workers_that_only_log(sink: Sink, version: str, method: str) -> None:
    """One pool, started before any run, used for two runs, and between, before and after them for none."""
    script = """
        import logging, multiprocessing, sys, time, batchtel
        logging.basicConfig(level=logging.INFO, handlers=[logging.NullHandler()])

        def work(name):
            logging.getLogger("worker").info(name)

        if __name__ == "__main__":
            with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
                pool.map(work, ["none"] * 4, chunksize=1)
                for name in ("one", "two"):
                    with batchtel.job(name):
                        time.sleep(0.05)  # a search in vain is not repeated at once
                        pool.map(work, [name] * 5, chunksize=1)
                    pool.map(work, ["none"] * 4, chunksize=1)
                pool.close()
                pool.join()
        """
    _silent(version, script, sink, method)
    logged = Counter((log.body, log.attributes["batch.job.name"]) for log in sink.logs() if log.scope == "worker")
    assert logged == {("one", "one"): 5, ("two", "two"): 5}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.compatible(
    "Processes",
    "workers that outlive the run they were started in",
    "nothing is added to a run that has ended",
)
def test_a_worker_that_outlives_its_run(sink: Sink, method: str) -> None:
    """After the end of the run, and with no other one open, nothing is counted for it."""
    script = """
        import multiprocessing, sys, batchtel

        def work(row):
            batchtel.current_job().records(processed=1)
            with batchtel.step("part") as step:
                step.records(read=1)

        if __name__ == "__main__":
            import warnings
            warnings.simplefilter("ignore")
            with batchtel.job("short"):
                pool = multiprocessing.get_context(sys.argv[1]).Pool(1)
                pool.map(work, range(2))
            import logging
            logging.getLogger("batchtel").disabled = True
            pool.map(work, range(5))
            pool.close()
            pool.join()
        """
    finished = run_on("3.11", script, sink, method)
    assert finished.code == 0
    assert "step 'part' runs outside of any job()" in finished.stderr
    assert sink.total("batch.job.records.processed", job_name="short") == 2
    assert sink.total("batch.step.records.read", job_name="short") == 2


def test_a_daemon(sink: Sink) -> None:
    """A child that goes on in the place of its parent, which leaves by os._exit, counts on."""
    script = """
        import os, time, batchtel
        with batchtel.job("daemon"):
            parent = os.getpid()
            if os.fork():
                batchtel.flush()
                os._exit(0)
            while os.getppid() == parent:
                time.sleep(0.01)
            batchtel.current_job().records(processed=4)
            batchtel.flush()
            os._exit(0)
        """
    _silent("3.11", script, sink)
    assert sink.total("batch.job.records.processed", job_name="daemon") == 4


@pytest.mark.parametrize("method", METHODS)
def test_workers_that_are_replaced(sink: Sink, method: str) -> None:
    """A pool that starts a worker for every two tasks; each joins the run by name, and opens a run of its own."""
    script = """
        import multiprocessing, sys, warnings, batchtel
        warnings.simplefilter("ignore")

        def work(row):
            with batchtel.job("outer") as run:
                run.records(processed=1)
            with batchtel.job("inner") as run:
                run.records(processed=10)

        if __name__ == "__main__":
            # Not an executor with max_tasks_per_child: it hangs by itself (python/cpython#115634).
            pool = multiprocessing.get_context(sys.argv[1]).Pool(2, maxtasksperchild=2)
            with batchtel.job("outer"):
                pool.map(work, range(6), chunksize=1)
            pool.close()
            pool.join()
        """
    _silent("3.11", script, sink, method)
    assert sink.total("batch.job.runs.started", job_name="outer") == 1
    assert sink.total("batch.job.records.processed", job_name="outer") == 6
    assert sink.total("batch.job.completions", job_name="inner", status="success") == 6
    assert sink.total("batch.job.records.processed", job_name="inner") == 60
    assert len({span.trace_id for span in sink.spans()}) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.compatible(
    "Processes",
    "workers that are killed",
    "the run, with what the others record",
)
def test_workers_that_are_killed(sink: Sink, method: str) -> None:
    """One that leaves by os._exit after a flush, and one by SIGKILL: the run and the others go on, as without us."""
    script = """
        import multiprocessing, os, signal, sys, batchtel

        def work(way):
            batchtel.current_job().records(processed=1)
            assert batchtel.flush(20)
            if way == "exit":
                os._exit(5)
            if way == "kill":
                os.kill(os.getpid(), signal.SIGKILL)

        if __name__ == "__main__":
            with batchtel.job("killed"):
                for way in ("exit", "kill", "end"):
                    process = multiprocessing.get_context(sys.argv[1]).Process(target=work, args=(way,))
                    process.start()
                    process.join()
                    print(process.exitcode)
        """
    finished, without = run_on("3.11", script, sink, method), run_on("3.11", script, None, method)
    assert (finished.code, finished.stdout, finished.stderr) == (without.code, without.stdout, without.stderr)
    assert finished.stdout == "5\n-9\n0\n"
    assert sink.total("batch.job.records.processed", job_name="killed") == 3
    assert sink.event("batch.run.finished").attributes["batch.records.outcome"] == "sufficient"


@pytest.mark.parametrize("method", [*METHODS, "loky"])
def test_what_a_worker_reports_beside_counts(sink: Sink, method: str) -> None:
    """A failed record is logged with the run; a program that a worker starts belongs to the run, too."""
    script = """
        import multiprocessing, subprocess, sys, batchtel

        def work(row):
            batchtel.current_job().failed_record(f"row-{row}", "no id")
            child = "import batchtel; batchtel.current_job().records(processed=1)"
            subprocess.run([sys.executable, "-c", child], check=True)

        def pool(method):
            if method == "loky":
                from joblib.externals.loky import ProcessPoolExecutor
                return ProcessPoolExecutor(1)
            from concurrent.futures import ProcessPoolExecutor
            return ProcessPoolExecutor(1, multiprocessing.get_context(method))

        if __name__ == "__main__":
            with pool(sys.argv[1]) as executor:
                list(executor.map(int, range(2)))
                with batchtel.job("reporting"):
                    list(executor.map(work, range(2)))
        """
    _silent("3.11", script, sink, method)
    assert sink.total("batch.job.records.failed", job_name="reporting") == 2
    assert sink.total("batch.job.records.processed", job_name="reporting") == 2
    assert {event.attributes["batch.record.id"] for event in sink.events("batch.record.failed")} == {"row-0", "row-1"}
