"""Airflow's own metrics: what each becomes in Prometheus, or why it is dropped.

The names are those of Airflow's list (3.x, with the dotted forms that StatsD carries) and of the StatsD mapping that
Airflow's dashboards were made for (46 families); what a name becomes does not depend on the transport, StatsD or
OpenTelemetry. Anything that is not in this table is dropped and counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from batchtel.schema import signals

Kind = Literal["counter", "gauge", "level", "timer"]
"""counter: only grows. gauge: the last value wins. level: a counter that also goes down, shown as a gauge. timer: a
histogram in seconds."""

ID: Final = "airflow_id"
"""Label of every family, the name of one Airflow: its prefix (statsd_prefix, otel_prefix), or its environment."""

FAMILY: Final = "af_agg_"
"""What every family's name begins with."""

FAST_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds: buckets of what the scheduler does in one loop; all other timers have those of batch.job.duration."""

TASK_STATES: Final = (
    "success", "failed", "skipped", "upstream_failed", "up_for_retry", "up_for_reschedule", "deferred", "removed",
    "scheduled", "queued", "running", "restarting", "shutdown", "sensing", "none", "None",
)  # fmt: skip
"""Values of `state`; with another one the whole name is unknown."""

_VARIABLE: Final = re.compile(r"\{(\w+)\}")
_VALUES: Final = {"state": "|".join(TASK_STATES), "job_name": "[A-Za-z]*[Jj]ob"}

TAGS: Final = {
    "operator_name": ("operator", "task_type"),
    "dag_file": ("file_name",),
    "executor_class_name": ("executor",),
}
"""Label -> further names under which Airflow's versions tag it."""

OTLP_TAGS: Final = {**TAGS, "executor_class_name": (*TAGS["executor_class_name"], "name")}
"""The same over OpenTelemetry, where `name` is the class of an executor up to 3.2."""


@dataclass(frozen=True)
class Mapped:
    """A metric of Airflow that is kept.

    Attributes:
        name: Airflow's name without its prefix; `{variable}` where plain StatsD writes an id into it.
        family: the name in Prometheus without af_agg_.
        tagged: the name of the same metric when it carries the ids as tags. Airflow sends both, so one is kept: the
            dotted one when points have no tags (plain StatsD), this one when they have (DogStatsD, Influx, OTLP).
    """

    name: str
    family: str
    kind: Kind
    tagged: str = ""

    @property
    def prometheus_name(self) -> str:
        """The name in Prometheus, for a timer that of the histogram without _bucket."""
        return FAMILY + self.family

    @property
    def variables(self) -> tuple[str, ...]:
        """The ids in the name, in order; they become labels."""
        return tuple(_VARIABLE.findall(self.name))

    @property
    def otlp_name(self) -> str:
        """The name over OpenTelemetry, where ids are attributes: in names they are cut and in lower case."""
        return self.tagged or re.sub(r"[.]\{\w+\}$", "", self.name.replace("{job_name}", "job"))

    @property
    def pattern(self) -> str:
        """A regular expression (RE2) for the name, one named group per variable; "" when the name has none.

        Ids may contain dots, and nothing in a dotted name marks where one ends: the first is the text up to the first
        dot, the last is the rest. So the ids of a TaskGroup's task are correct, those of a DAG with dots are not.
        """
        if not self.variables:
            return ""
        last = [name for name in self.variables if name not in _VALUES][-1:]
        parts = _VARIABLE.split(self.name)
        for index in range(1, len(parts), 2):
            values = _VALUES.get(parts[index], ".+" if parts[index] in last else "[^.]+")
            parts[index] = f"(?P<{parts[index]}>{values})"
        return "^" + "".join(part if index % 2 else part.replace(".", "[.]") for index, part in enumerate(parts)) + "$"


@dataclass(frozen=True)
class Dropped:
    """A metric of Airflow that is dropped and counted, and why."""

    name: str
    reason: str


_HOST: Final = "an unbounded name of a host or worker"
_TWICE: Final = "the older name of dag_processing.processor_timeouts, which is sent as well"
_MANY: Final = "one series for each task and queue; batch_step_* has it"
_INSIDE: Final = "about Airflow's insides; read it where it is needed from Airflow itself"
_ENGINE: Final = "belongs to one executor or provider"

_COUNTERS: Final = (
    Mapped("{job_name}_start", "job_start", "counter"),
    Mapped("{job_name}_end", "job_end", "counter"),
    Mapped("{job_name}_heartbeat_failure", "job_heartbeat_failure", "counter"),
    Mapped("operator_failures_{operator_name}", "operator_failures", "counter", "operator_failures"),
    Mapped("operator_successes_{operator_name}", "operator_successes", "counter", "operator_successes"),
    Mapped("ti_failures", "ti_failures", "counter"),
    Mapped("ti_successes", "ti_successes", "counter"),
    Mapped("zombies_killed", "zombies_killed", "counter"),
    Mapped("task_instances_without_heartbeats_killed", "zombies_killed", "counter"),  # its name since 3.0
    Mapped("scheduler_heartbeat", "scheduler_heartbeat", "counter"),
    Mapped("dag_processing.processes", "dag_processing_processes", "level"),
    Mapped("scheduler.tasks.killed_externally", "scheduler_tasks_killed_externally", "counter"),
    Mapped("scheduler.tasks.running", "scheduler_tasks_running", "counter"),
    Mapped("scheduler.orphaned_tasks.cleared", "scheduler_orphaned_tasks_cleared", "counter"),
    Mapped("scheduler.orphaned_tasks.adopted", "scheduler_orphaned_tasks_adopted", "counter"),
    Mapped("scheduler.critical_section_busy", "scheduler_critical_section_busy", "counter"),
    Mapped("sla_email_notification_failure", "sla_email_notification_failure", "counter"),
    Mapped("ti.start.{dag_id}.{task_id}", "ti_start", "counter", "ti.start"),
    Mapped("ti.finish.{dag_id}.{task_id}.{state}", "ti_finish", "counter", "ti.finish"),
    Mapped("dag.callback_exceptions", "dag_callback_exceptions", "counter"),
    Mapped("celery.task_timeout_error", "celery_task_timeout_error", "counter"),
    Mapped("dag_processing.processor_timeouts", "dag_processing_processor_timeouts", "counter"),
    # Beyond the 46: metrics of 3.x that are useful on call.
    Mapped("dag_processing.manager_stalls", "dag_processing_manager_stalls", "counter"),
    Mapped("dag_file_refresh_error", "dag_file_refresh_error", "counter"),
    Mapped("previously_succeeded", "previously_succeeded", "counter"),
    Mapped("dag_processor_heartbeat", "dag_processor_heartbeat", "counter"),
    Mapped("triggerer_heartbeat", "triggerer_heartbeat", "counter"),
    Mapped("triggers.blocked_main_thread", "triggers_blocked_main_thread", "counter"),
    Mapped("triggers.failed", "triggers_failed", "counter"),
    Mapped("triggers.succeeded", "triggers_succeeded", "counter"),
    Mapped("scheduler.loop_exceptions", "scheduler_loop_exceptions", "counter"),
    Mapped("scheduler.zombies.detected", "scheduler_zombies_detected", "counter"),
    Mapped("celery.execute_command.failure", "celery_execute_command_failure", "counter"),
    Mapped("task_removed_from_dag.{dag_id}", "task_removed_from_dag", "counter", "task_removed_from_dag"),
    Mapped("task_restored_to_dag.{dag_id}", "task_restored_to_dag", "counter", "task_restored_to_dag"),
    Mapped("task_instance_created_{operator_name}", "task_instance_created", "counter", "task_instance_created"),
    Mapped("asset.updates", "asset_updates", "counter"),
    Mapped("asset.triggered_dagruns", "asset_triggered_dagruns", "counter"),
    Mapped("dataset.updates", "asset_updates", "counter"),  # their names before 3.0
    Mapped("dataset.triggered_dagruns", "asset_triggered_dagruns", "counter"),
    Mapped("deadline_alerts.deadline_created", "deadline_created", "counter"),
    Mapped("deadline_alerts.deadline_missed", "deadline_missed", "counter"),
    Mapped("deadline_alerts.deadline_not_missed", "deadline_not_missed", "counter"),
)

_GAUGES: Final = (
    Mapped("dagbag_size", "dagbag_size", "gauge"),
    Mapped("dag_processing.import_errors", "dag_processing_import_errors", "gauge"),
    Mapped("dag_processing.total_parse_time", "dag_processing_total_parse_time", "gauge"),
    Mapped("dag_processing.last_runtime.{dag_file}", "dag_processing_last_runtime", "gauge"),
    Mapped(
        "dag_processing.last_run.seconds_ago.{dag_file}",
        "dag_processing_last_run_seconds",
        "gauge",
        "dag_processing.last_run.seconds_ago",
    ),
    Mapped("scheduler.tasks.starving", "scheduler_tasks_starving", "gauge"),
    # Without a suffix it is about the one executor, with one about one of several.
    Mapped("executor.open_slots", "executor_open_slots", "gauge"),
    Mapped("executor.open_slots.{executor_class_name}", "executor_open_slots", "gauge"),
    Mapped("executor.queued_tasks", "executor_queued_tasks", "gauge"),
    Mapped("executor.queued_tasks.{executor_class_name}", "executor_queued_tasks", "gauge"),
    Mapped("executor.running_tasks", "executor_running_tasks", "gauge"),
    Mapped("executor.running_tasks.{executor_class_name}", "executor_running_tasks", "gauge"),
    Mapped("pool.open_slots.{pool_name}", "pool_open_slots", "gauge", "pool.open_slots"),
    Mapped("pool.queued_slots.{pool_name}", "pool_queued_slots", "gauge", "pool.queued_slots"),
    Mapped("pool.running_slots.{pool_name}", "pool_running_slots", "gauge", "pool.running_slots"),
    Mapped("pool.starving_tasks.{pool_name}", "pool_starving_tasks", "gauge", "pool.starving_tasks"),
    Mapped("smart_sensor_operator.poked_tasks", "smart_sensor_operator_poked_tasks", "gauge"),
    Mapped("smart_sensor_operator.poked_success", "smart_sensor_operator_poked_success", "gauge"),
    Mapped("smart_sensor_operator.poked_exception", "smart_sensor_operator_poked_exception", "gauge"),
    Mapped("smart_sensor_operator.exception_failures", "smart_sensor_operator_exception_failures", "gauge"),
    Mapped("smart_sensor_operator.infra_failures", "smart_sensor_operator_infra_failures", "gauge"),
    # Beyond the 46.
    Mapped("pool.deferred_slots.{pool_name}", "pool_deferred_slots", "gauge", "pool.deferred_slots"),
    Mapped("pool.scheduled_slots.{pool_name}", "pool_scheduled_slots", "gauge", "pool.scheduled_slots"),
    Mapped("scheduler.tasks.executable", "scheduler_tasks_executable", "gauge"),
    Mapped("scheduler.dagruns.running", "scheduler_dagruns_running", "gauge"),
    Mapped("scheduler.dagruns.queued", "scheduler_dagruns_queued", "gauge"),
    Mapped("dag_processing.file_path_queue_size", "dag_processing_file_path_queue_size", "gauge"),
    Mapped("asset.orphaned", "asset_orphaned", "gauge"),
    Mapped("dataset.orphaned", "asset_orphaned", "gauge"),
)

_TIMERS: Final = (
    Mapped("dagrun.dependency-check.{dag_id}", "dagrun_dependency_check", "timer", "dagrun.dependency-check"),
    Mapped("dag.{dag_id}.{task_id}.duration", "dag_task_duration", "timer", "task.duration"),
    Mapped("dag_processing.last_duration.{dag_file}", "dag_processing_duration", "timer",
           "dag_processing.last_duration"),
    Mapped("dagrun.duration.success.{dag_id}", "dagrun_duration_success", "timer", "dagrun.duration.success"),
    Mapped("dagrun.duration.failed.{dag_id}", "dagrun_duration_failed", "timer", "dagrun.duration.failed"),
    Mapped("dagrun.schedule_delay.{dag_id}", "dagrun_schedule_delay", "timer", "dagrun.schedule_delay"),
    Mapped("scheduler.critical_section_duration", "scheduler_critical_section_duration", "timer"),
    Mapped("dagrun.{dag_id}.first_task_scheduling_delay", "dagrun_first_task_scheduling_delay", "timer",
           "dagrun.first_task_scheduling_delay"),
    # Beyond the 46.
    Mapped("dag.{dag_id}.{task_id}.scheduled_duration", "dag_task_scheduled_duration", "timer",
           "task.scheduled_duration"),
    Mapped("dag.{dag_id}.{task_id}.queued_duration", "dag_task_queued_duration", "timer", "task.queued_duration"),
    Mapped("dagrun.first_task_start_delay", "dagrun_first_task_start_delay", "timer"),
    Mapped("scheduler.scheduler_loop_duration", "scheduler_loop_duration", "timer"),
    Mapped("scheduler.critical_section_query_duration", "scheduler_critical_section_query_duration", "timer"),
)  # fmt: skip

MAPPED: Final = _COUNTERS + _GAUGES + _TIMERS
"""Every metric of Airflow that is kept; several may be one family."""


def _dropped(reason: str, names: str) -> tuple[Dropped, ...]:
    return tuple(Dropped(name, reason) for name in names.split())


DROPPED: Final = (
    *_dropped(_HOST, """triggers.running triggers.running.{hostname} triggerer.capacity_left
        triggerer.capacity_left.{hostname} edge_worker.status edge_worker.connected edge_worker.maintenance
        edge_worker.jobs_active edge_worker.concurrency edge_worker.free_concurrency edge_worker.num_queues
        edge_worker.heartbeat_count edge_worker.ti.start edge_worker.ti.finish edge_worker.status.{worker_name}
        edge_worker.connected.{worker_name} edge_worker.maintenance.{worker_name} edge_worker.jobs_active.{worker_name}
        edge_worker.concurrency.{worker_name} edge_worker.free_concurrency.{worker_name}
        edge_worker.num_queues.{worker_name} edge_worker.heartbeat_count.{worker_name}
        edge_worker.ti.start.{queue}.{dag_id}.{task_id} edge_worker.ti.finish.{queue}.{state}.{dag_id}.{task_id}"""),
    *_dropped(_TWICE, "dag_file_processor_timeouts"),
    *_dropped(_MANY, """local_task_job.task_exit local_task_job.task_exit.{job_id}.{dag_id}.{task_id}.{return_code}
        ti.scheduled ti.queued ti.running ti.deferred ti.scheduled.{queue}.{dag_id}.{task_id}
        ti.queued.{queue}.{dag_id}.{task_id} ti.running.{queue}.{dag_id}.{task_id}
        ti.deferred.{queue}.{dag_id}.{task_id} scheduler.dagruns.running.{dag_id} scheduler.dagruns.queued.{dag_id}
        task.mem_usage.{dag_id}.{task_id} task.cpu_usage.{dag_id}.{task_id} sla_missed"""),
    *_dropped(_INSIDE, """dag_processing.other_callback_count dag_processing.callback_only_count
        dag_processing.file_path_queue_update_count scheduler.executor_events.processed
        scheduler.executor_events.failed scheduler.executor_events.batch_size scheduler.executor_heartbeat_duration
        dag.serialization.version_created dag.serialization.version_updated triggers.state_mismatch
        triggerer.batch_trigger_creation_duration triggerer.trigger_queue_delay api_server.dag_bag.cache_hit
        api_server.dag_bag.cache_miss api_server.dag_bag.cache_clear api_server.dag_bag.cache_size
        scheduler.dag_bag.cache_hit scheduler.dag_bag.cache_miss scheduler.dag_bag.cache_clear
        scheduler.dag_bag.cache_size connection_test.success connection_test.failed connection_test.reaped
        connection_test.active connection_test.pending connection_test.dispatch_duration
        connection_test.hook_duration resumable_job.fresh_submit resumable_job.already_succeeded
        resumable_job.terminal_resubmit resumable_job.reconnect_attempt resumable_job.reconnect_success
        dag_processing.last_num_of_db_queries.{dag_file} dag_processing.sla_callback_count
        sla_callback_notification_failure local_task_job_prolonged_heartbeat_failure collect_db_dags
        airflow.io.load_filesystems serde.load_serializers"""),
    *_dropped(_ENGINE, """ol.emit.failed ol.event.size ol.event.size.{event_type}.{operator_name} ol.emit.attempts
        ol.emit.attempts.{event_type}.{transport_type} ol.extract ol.extract.{event_type}.{operator_name}
        kubernetes_executor.pod_creation_status kubernetes_executor.pod_deletion_status
        kubernetes_executor.pod_patching_status kubernetes_executor.adopt_task_instances.duration
        kubernetes_executor.pod_creation kubernetes_executor.pod_creation_batch_duration
        kubernetes_executor.pod_creation_batch_size kubernetes_executor.pod_deletion kubernetes_executor.pod_patching
        batch_executor.adopt_task_instances.duration ecs_executor.adopt_task_instances.duration
        lambda_executor.adopt_task_instances.duration edge_executor.sync.duration managed_agent.failover
        managed_agent.served common_ai.tool_calls"""),
)  # fmt: skip
"""Every metric of Airflow's list that is not kept."""


def families(*kinds: Kind) -> list[str]:
    """Return the Prometheus names of the families of these kinds, each once."""
    return list(dict.fromkeys(row.prometheus_name for row in MAPPED if row.kind in kinds))


def labels(family: str) -> tuple[str, ...]:
    """Return the labels of a family, ID first, by its Prometheus name."""
    found = (name for row in MAPPED if row.prometheus_name == family for name in row.variables)
    return tuple(dict.fromkeys((ID, *found)))


def bounds(family: str) -> tuple[float, ...]:
    """Return the bucket bounds of a timer in seconds, by its Prometheus name."""
    slow = family.removeprefix(FAMILY).startswith(("dagrun_duration", "dag_task", "dagrun_schedule", "dagrun_first"))
    return signals.metric("batch.job.duration").bounds if slow else FAST_BOUNDS
