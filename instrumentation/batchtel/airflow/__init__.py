"""Airflow: a DAG is a job, a DAG run a run, a task a step, a try an attempt.

Airflow finds `plugin` by its entry point. Nothing here imports Airflow but that module, so that the helper process,
which tells of DAG runs, starts fast.
"""
