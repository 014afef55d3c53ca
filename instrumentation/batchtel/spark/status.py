"""What Spark reports of its jobs and stages: the documents of its REST API, read from the driver's JVM.

They are read from the store that the REST API serves (`AppStatusStore`), so it needs no `spark.ui.enabled`, no port and
no permission, and no HTTP server that starts with the first request. It has a connection of its own to the JVM with a
time limit: that of the job may be in use by the very thread that a signal has interrupted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator
from typing import Any, Final

from batchtel.spark.stages import Job, Stage

PATIENCE: Final = 1.0
"""Seconds that one answer of the JVM may last."""

LOOK: Final = 3.0
"""Seconds that all of the answers about many stages may last."""

LATE: Final = f"{LOOK:g} s is over"

FEW: Final = 10
"""Stages that are read one by one."""

CHUNK: Final = 200
"""Stages that are read in one answer."""

TASK_LIMIT: Final = 1_000
"""Tasks of a stage that have not succeeded, up to which they are read one by one."""


class SilentError(Exception):
    """The JVM does not answer, or not as Spark 3.5 and 4 do."""


class Status:
    """The status store of `context`, the SparkContext of this process.

    Raises:
        SilentError: by every method, also for a context that is stopped.
    """

    def __init__(self, context: Any) -> None:
        try:
            self._gateway = _connected(context)
            jvm = self._gateway.jvm
            # One that is stopped would make another one here.
            if context._jsc is None:
                raise SilentError("the context is stopped")
            scala = jvm.org.apache.spark.SparkContext.getOrCreate()
            self._scala = scala
            self._store, self._bus = scala.statusStore(), scala.listenerBus()
            self._mapper = jvm.org.apache.spark.status.api.v1.JacksonMessageWriter().mapper()
            self._none, self._lost = jvm.java.util.ArrayList(), jvm.java.util.ArrayList()
            for status in ("FAILED", "KILLED", "RUNNING"):
                self._lost.add(getattr(jvm.org.apache.spark.status.api.v1.TaskStatus, status))
            self._no_quantiles = self._gateway.new_array(jvm.double, 0)
        except SilentError:
            raise
        except Exception as error:
            raise SilentError(str(error)) from error

    def ping(self) -> None:
        """Return where the JVM answers within PATIENCE."""
        try:
            self._scala.isStopped()
        except Exception as error:
            raise SilentError(str(error)) from error

    def settle(self) -> None:
        """Wait until the events of what has ended are in the store, at most for PATIENCE."""
        try:
            self._bus.waitUntilEmpty(int(PATIENCE * 900))
        except Exception as error:
            # More events come than are read, by code of the application perhaps: what is there is read.
            if "TimeoutException" not in str(error):
                raise SilentError(str(error)) from error

    def jobs(self, since: int) -> list[Job]:
        """Return the jobs whose id is at least `since`, the oldest first."""
        try:
            found = self._store.jobsList(None)
            newest = found.apply(0).jobId() if found.size() else -1
            documents = self._read(found.slice(0, newest - since + 1)) if newest >= since else []
            return sorted((Job.of(each) for each in documents if each["jobId"] >= since), key=lambda job: job.id)
        except Exception as error:
            raise SilentError(str(error)) from error

    def stages(self, ids: Collection[int]) -> dict[int, list[Stage]]:
        """Return the attempts of stages by their id; those that Spark keeps no more are not there.

        Raises:
            SilentError: Or it lasts longer than LOOK.
        """
        found: dict[int, list[Stage]] = {}
        try:
            end = time.monotonic() + LOOK
            for document in self._documents(ids, end):
                found.setdefault(document["stageId"], []).append(Stage.of(document))
            for stage_id, attempts in found.items():
                if any(0 < stage.lost <= TASK_LIMIT for stage in attempts) and time.monotonic() < end:
                    found[stage_id] = [Stage.of(document) for document in self._attempts(stage_id, self._lost)]
        except SilentError:
            raise
        except Exception as error:
            raise SilentError(str(error)) from error
        return {stage_id: sorted(attempts, key=lambda stage: stage.attempt) for stage_id, attempts in found.items()}

    def _documents(self, ids: Collection[int], end: float) -> Iterator[dict[str, Any]]:
        if len(ids) <= FEW:
            for stage_id in ids:
                yield from self._attempts(stage_id, None)
            return
        # By few calls: one for each stage would last longer than a step may.
        found = self._store.stageList(None, False, False, self._no_quantiles, self._none)
        for start in range(0, found.size(), CHUNK):
            if time.monotonic() > end:
                raise SilentError(LATE)
            yield from (each for each in self._read(found.slice(start, start + CHUNK)) if each["stageId"] in ids)

    def _attempts(self, stage_id: int, of_tasks: Any) -> list[dict[str, Any]]:
        """Return the documents of a stage, with its tasks of these states; none where Spark keeps no more of it."""
        wanted = of_tasks or self._none
        try:
            found = self._store.stageData(stage_id, of_tasks is not None, wanted, False, self._no_quantiles)
        except Exception as error:
            if "NoSuchElement" in str(error):
                return []
            raise
        documents: list[dict[str, Any]] = self._read(found)
        return documents

    def observed(self, observation: Any) -> dict[str, Any] | None:
        """Return the metrics of PySpark's observation; None before its action has ended, none of one that failed."""
        try:
            # An object of this connection: those of the job's own, which also frees it, has no time limit.
            own = self._gateway.jvm.java.util.Objects.requireNonNull(observation._jo)
            return self._read(own.getAsJava()) if own.future().isCompleted() else None
        except Exception as error:
            if type(error).__name__ == "Py4JJavaError":
                return {}
            raise SilentError(str(error)) from error

    def _read(self, documents: Any) -> Any:
        return json.loads(self._mapper.writeValueAsString(documents))

    def close(self) -> None:
        """Close the connection: what is freed afterwards does not open another one."""
        self._gateway._gateway_client.is_connected = False
        self._gateway.close()


def has_pinned_threads(context: Any) -> bool:
    """Whether each thread of this process has one in the JVM (PYSPARK_PIN_THREAD), which tags are of."""
    from py4j.clientserver import ClientServer

    return isinstance(context._gateway, ClientServer)


def _connected(context: Any) -> Any:
    """Return a gateway of py4j to the JVM of `context`: one that logs nothing where the JVM is gone."""
    from py4j.java_gateway import GatewayClient, GatewayParameters, JavaGateway

    class Client(GatewayClient):  # type: ignore[misc,unused-ignore]
        """Sends each command once, over one connection at a time."""

        def send_command(self, command: str, retry: bool = True, binary: bool = False) -> Any:
            """Send a command, and raise where no answer comes; that of py4j would log an error of the job's."""
            connection = self._get_connection()
            try:
                answer = connection.send_command(command)
            except BaseException:
                self.is_connected = False
                connection.close()
                raise
            self._give_back_connection(connection)
            return answer

    class Gateway(JavaGateway):  # type: ignore[misc,unused-ignore]
        """A gateway with that client."""

        def _create_gateway_client(self) -> Any:
            return Client(gateway_parameters=self.gateway_parameters)

    job = context._gateway.gateway_parameters
    return Gateway(
        gateway_parameters=GatewayParameters(
            address=job.address, port=job.port, auth_token=job.auth_token, read_timeout=PATIENCE
        )
    )
