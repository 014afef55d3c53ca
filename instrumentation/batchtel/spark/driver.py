"""A Spark application as a run: what opens one for it, or joins the one that is open, and follows what Spark runs."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from batchtel.base.calls import lenient
from batchtel.base.guard import harmless, warn_once
from batchtel.base.ignoring import IGNORING
from batchtel.base.start_environment import of_next_run
from batchtel.base.values import text_of
from batchtel.runs import unrecorded
from batchtel.runs.api import Job, current_job, job
from batchtel.runs.job_run import JobRun
from batchtel.runs.observers import OBSERVERS
from batchtel.spark.names import job_name

if TYPE_CHECKING:
    from batchtel.runs.scope import Scope

CONNECT = "Spark Connect shows its client no jobs and stages, so none are recorded; steps and what they report are"
NO_SESSION = "application(): %.60r is no SparkSession and no SparkContext, so nothing of Spark is recorded"

_runs: dict[str, int] = {}
# Id of an application -> the runs that it has had in this process.


@lenient(None, call="batchtel.spark.application(spark)")
def application(spark: Any, name: str = "", type: str = "") -> Application:  # noqa: A002  # as in `job`
    """Define the run of a Spark application, for `with`; entering it starts a run and gives its handle.

    A run that is open already, as below `batchtel run`, `opentelemetry-instrument`, in a task of Airflow or within
    `job`, is joined.

    Args:
        spark: The SparkSession or the SparkContext of this driver, which stays open.
        name: Name of the job, that of the application if not given; or the entry of the catalogue that this begins
            with before dates and ids.
        type: Kind of the job, as in `job`.
    """
    return Application(spark, name, type)


class Application:
    """The time in which a Spark application is recorded; each object is entered once."""

    def __init__(self, spark: Any, name: str, type: str) -> None:  # noqa: A002  # as in `job`
        self._spark = spark
        self._name = name
        self._type = type
        self._job: Job | None = None
        self._followers: list[Any] = []

    def __enter__(self) -> JobRun:
        try:
            return self._begin() or cast("JobRun", IGNORING)
        except BaseException as error:
            # Of the job, such as the time limit of a signal handler: its block is not entered.
            self.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for follower in self._followers:
                follower.finish()
        except BaseException as error:
            kind, exception, trace = type(error), error, error.__traceback__
            raise
        finally:
            if self._job is not None:
                self._job.__exit__(kind, exception, trace)

    @harmless(None)
    def _begin(self) -> JobRun:
        context = context_of(self._spark)
        if _open_scope() is None:
            name = self._name or _name_of(self._spark, context)
            opened = job(job_name(name) if isinstance(name, str) else name, self._type, **_identity(context))
            # Kept once it is open: an opening that fails has nothing to close.
            handle = opened.__enter__()
            self._job = opened
        else:
            handle = current_job()
        if context is not None:
            first = follow(context)
            self._followers = [first, Successor(context, first.root)] if first is not None else []
        elif _is_connect(self._spark):
            connected = _follow_connect(self._spark)
            self._followers = [connected] if connected is not None else []
        return handle


class Successor:
    """Follows the context that a job makes after it has stopped `context`, from its next step on."""

    def __init__(self, context: Any, root: Scope) -> None:
        self._context = context
        self._root = root
        self._follower: Any = None
        OBSERVERS.append(self)

    @harmless(None)
    def begun(self, scope: Scope) -> None:
        """Follow the new context, if there is one."""
        now = type(self._context)._active_spark_context
        if now is None or now is self._context or scope.is_run:
            return
        self._context = now
        self._follower = follow(now, self._root)

    def ending(self, scope: Scope) -> None:
        """Leave the end of what is followed to its observer."""

    @harmless(None)
    def finish(self) -> None:
        """Follow no more."""
        OBSERVERS.remove(self)
        if self._follower is not None:
            self._follower.finish()


@harmless(None)
def follow(context: Any, root: Scope | None = None) -> Any:
    """Follow a SparkContext in `root`, if not given in the current run, and give its Python workers their environment.

    Returns None where no run is open, or where the context is followed already.
    """
    root = root or _open_scope()
    if root is None or root.recorder.opened_with is None:
        return None
    from batchtel.spark.observer import Observer

    if Observer.is_following(context):
        return None
    observer = Observer(context, root)
    observer.begin()
    return observer


@harmless(None)
def _follow_connect(session: Any) -> Any:
    root = _open_scope()
    if root is None or root.recorder.opened_with is None:
        return None
    from batchtel.spark.connect import ConnectObserver

    observer = ConnectObserver(session, root)
    observer.begin()
    return observer


@harmless(None)
def context_of(spark: Any) -> Any:
    """Return the SparkContext of a session, or of itself; None where it is none of this process."""
    try:
        context = spark if hasattr(spark, "applicationId") else spark.sparkContext
    except Exception:
        if _is_connect(spark):
            warn_once("spark:connect", CONNECT)
        else:
            warn_once("spark:session", NO_SESSION, text_of(spark))
        return None
    if getattr(context, "_jsc", None) is None:
        return None
    if not isinstance(context.applicationId, str):
        # A mock of a unit test has every attribute.
        warn_once("spark:session", NO_SESSION, text_of(spark))
        return None
    return context


def _is_connect(spark: Any) -> bool:
    return ".connect." in type(spark).__module__


def _open_scope() -> Scope | None:
    """Return the run or step that is open here; None where nothing is recorded."""
    if unrecorded.is_all():
        return None
    from batchtel.runs import current

    return current.scope()


def _name_of(spark: Any, context: Any) -> str:
    try:
        name = context.appName if context is not None else spark.conf.get("spark.app.name")
    except Exception:
        return ""
    return name if isinstance(name, str) else ""


def _identity(context: Any) -> dict[str, Any]:
    """Return run id and attempt: those of the environment win over those of Spark."""
    if context is None:
        return {}
    identity: dict[str, Any] = {}
    given = of_next_run()
    if not given.get("BATCHTEL_RUN_ID"):
        application = str(context.applicationId)
        number = _runs[application] = _runs.get(application, 0) + 1
        identity["run_id"] = f"{application}-{number}" if number > 1 else application
    # YARN sets it where it starts the driver again.
    attempt = str(context.getConf().get("spark.app.attempt.id", ""))
    if attempt.isdecimal() and not given.get("BATCHTEL_ATTEMPT"):
        identity["attempt"] = int(attempt)
    return identity
