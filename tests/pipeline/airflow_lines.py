"""The 46 families of the StatsD mapping that Airflow's dashboards were made for, each with lines that feed it."""

from __future__ import annotations

from typing import Final

SLOW: Final = "bounds=[0.1 0.5 1 5 15 30 60 300 900 1800 3600 7200 21600 86400 604800 inf]"
FAST: Final = "bounds=[0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60 inf]"


def _counter(line: str, series: str) -> tuple[list[str], str, list[str]]:
    name, brace, labels = series.partition("{")
    return [f"{line}:2|c", f"{line}:1|c"], "gauge", [f"{name}{brace or '{'}{labels or '}'} 3"]


def _gauge(line: str, series: str) -> tuple[list[str], str, list[str]]:
    name, brace, labels = series.partition("{")
    return [f"{line}:9|g", f"{line}:4.5|g"], "gauge", [f"{name}{brace or '{'}{labels or '}'} 4.5"]


def _timer(line: str, series: str, layout: str) -> tuple[list[str], str, list[str]]:
    name, brace, labels = series.partition("{")
    found = f"{name}{brace or '{'}{labels or '}'} count=2 sum=3.25 {layout}"
    steps = "0.25:1 5:2" if layout is FAST else "0.5:1 5:2"
    return [f"{line}:250|ms", f"{line}:3000|ms"], "histogram", [f"{found} {steps}"]


FAMILIES: Final = [
    _counter("schedulerjob_start", 'af_agg_job_start{job_name="schedulerjob"}'),
    _counter("localtaskjob_end", 'af_agg_job_end{job_name="localtaskjob"}'),
    _counter("operator_failures_PythonOperator", 'af_agg_operator_failures{operator_name="PythonOperator"}'),
    _counter("operator_successes_PythonOperator", 'af_agg_operator_successes{operator_name="PythonOperator"}'),
    _counter("ti_failures", "af_agg_ti_failures"),
    _counter("ti_successes", "af_agg_ti_successes"),
    (["zombies_killed:1|c", "task_instances_without_heartbeats_killed:2|c"], "gauge",
     ["af_agg_zombies_killed{} 3"]),
    _counter("scheduler_heartbeat", "af_agg_scheduler_heartbeat"),
    (["dag_processing.processes:5|c", "dag_processing.processes:-2|c"], "gauge",
     ["af_agg_dag_processing_processes{} 3"]),
    _counter("scheduler.tasks.killed_externally", "af_agg_scheduler_tasks_killed_externally"),
    _counter("scheduler.tasks.running", "af_agg_scheduler_tasks_running"),
    _gauge("scheduler.tasks.starving", "af_agg_scheduler_tasks_starving"),
    _counter("scheduler.orphaned_tasks.cleared", "af_agg_scheduler_orphaned_tasks_cleared"),
    _counter("scheduler.orphaned_tasks.adopted", "af_agg_scheduler_orphaned_tasks_adopted"),
    _counter("scheduler.critical_section_busy", "af_agg_scheduler_critical_section_busy"),
    _counter("sla_email_notification_failure", "af_agg_sla_email_notification_failure"),
    _counter("ti.start.etl.load", 'af_agg_ti_start{dag_id="etl",task_id="load"}'),
    _counter("ti.finish.etl.load.up_for_retry",
             'af_agg_ti_finish{dag_id="etl",state="up_for_retry",task_id="load"}'),
    _counter("dag.callback_exceptions", "af_agg_dag_callback_exceptions"),
    _counter("celery.task_timeout_error", "af_agg_celery_task_timeout_error"),
    _gauge("dagbag_size", "af_agg_dagbag_size"),
    _gauge("dag_processing.import_errors", "af_agg_dag_processing_import_errors"),
    _gauge("dag_processing.total_parse_time", "af_agg_dag_processing_total_parse_time"),
    _gauge("dag_processing.last_runtime.nightly", 'af_agg_dag_processing_last_runtime{dag_file="nightly"}'),
    _gauge("dag_processing.last_run.seconds_ago.nightly",
           'af_agg_dag_processing_last_run_seconds{dag_file="nightly"}'),
    _counter("dag_processing.processor_timeouts", "af_agg_dag_processing_processor_timeouts"),
    (["executor.open_slots:-1|g", "executor.open_slots:32|g", "executor.open_slots.LocalExecutor:31|g"], "gauge",
     ["af_agg_executor_open_slots{} 32", 'af_agg_executor_open_slots{executor_class_name="LocalExecutor"} 31']),
    _gauge("executor.queued_tasks", "af_agg_executor_queued_tasks"),
    _gauge("executor.running_tasks", "af_agg_executor_running_tasks"),
    _gauge("pool.open_slots.default_pool", 'af_agg_pool_open_slots{pool_name="default_pool"}'),
    _gauge("pool.queued_slots.default_pool", 'af_agg_pool_queued_slots{pool_name="default_pool"}'),
    _gauge("pool.running_slots.default_pool", 'af_agg_pool_running_slots{pool_name="default_pool"}'),
    _gauge("pool.starving_tasks.default_pool", 'af_agg_pool_starving_tasks{pool_name="default_pool"}'),
    _gauge("smart_sensor_operator.poked_tasks", "af_agg_smart_sensor_operator_poked_tasks"),
    _gauge("smart_sensor_operator.poked_success", "af_agg_smart_sensor_operator_poked_success"),
    _gauge("smart_sensor_operator.poked_exception", "af_agg_smart_sensor_operator_poked_exception"),
    _gauge("smart_sensor_operator.exception_failures", "af_agg_smart_sensor_operator_exception_failures"),
    _gauge("smart_sensor_operator.infra_failures", "af_agg_smart_sensor_operator_infra_failures"),
    _timer("dagrun.dependency-check.etl", 'af_agg_dagrun_dependency_check{dag_id="etl"}', FAST),
    _timer("dag.etl.load.duration", 'af_agg_dag_task_duration{dag_id="etl",task_id="load"}', SLOW),
    _timer("dag_processing.last_duration.nightly", 'af_agg_dag_processing_duration{dag_file="nightly"}', FAST),
    _timer("dagrun.duration.success.etl", 'af_agg_dagrun_duration_success{dag_id="etl"}', SLOW),
    _timer("dagrun.duration.failed.etl", 'af_agg_dagrun_duration_failed{dag_id="etl"}', SLOW),
    _timer("dagrun.schedule_delay.etl", 'af_agg_dagrun_schedule_delay{dag_id="etl"}', SLOW),
    _timer("scheduler.critical_section_duration", "af_agg_scheduler_critical_section_duration", FAST),
    _timer("dagrun.etl.first_task_scheduling_delay", 'af_agg_dagrun_first_task_scheduling_delay{dag_id="etl"}', SLOW),
]  # fmt: skip
"""In the order of requirements J01 to J46: StatsD lines without prefix, type, series without airflow_id and job."""
