"""The ETL of docs/spark as commands of a BashOperator: first by Python, then by Spark.

`append_env` keeps TRACEPARENT and the variables of the run where a task has variables of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator

try:
    from airflow.sdk import dag
except ImportError:  # Airflow 2
    from airflow.decorators import dag

ETL = Path(__file__).resolve().parents[1] / "spark"


@dag(
    schedule="@once",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    tags=["example"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
)
def sensor_etl() -> None:
    """Two ways to run one ETL."""
    plain = BashOperator(task_id="plain", bash_command=f"python {ETL}/sensor_etl.py --output-path sensors")
    spark = BashOperator(
        task_id="spark",
        bash_command=f"spark-submit {ETL}/sensor_etl_spark.py --output-path sensors",
        env={"SPARK_LOCAL_IP": "127.0.0.1"},
        append_env=True,
    )
    plain >> spark


sensor_etl()
