"""Airflow's own metrics: StatsD lines over real UDP, and the whole of what comes out under Airflow's names."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from batchtel_collector.render import airflow_metrics
from tests.pipeline import exposition
from tests.pipeline.airflow_lines import FAMILIES, SLOW
from tests.pipeline.bench import Bench, of_namespace
from tests.pipeline.conftest import Prometheus, Start
from tests.support.polling import until

PACKET = 1400
"""Bytes of one UDP packet; Airflow's client sends one line in each."""


@dataclass
class Airflow:
    """A collector with a StatsD receiver, and Airflows that send to it; each test is one of them, by its prefix."""

    bench: Bench
    port: int
    marks: Iterator[int]

    def send(self, lines: Iterable[str]) -> None:
        """Send StatsD lines over UDP and wait until all of them have come out."""
        mark = f"mark-{next(self.marks)}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for line in lines:
                assert len(line) < PACKET
                client.sendto(line.encode(), ("127.0.0.1", self.port))
            client.sendto(f"{mark}.ti_successes:1|c".encode(), ("127.0.0.1", self.port))
        # The receiver reads one packet after the other, so the last one comes out last, or together with the others.
        until(f"{mark} on the series endpoint", lambda: True if self.lines(mark) else None, 30, self.bench.program.tail)
        self.bench.settle()

    def lines(self, prefix: str) -> list[str]:
        """Return all series of one Airflow, without its airflow_id."""
        samples, types = self.bench.page()
        found = [sample for sample in of_namespace(samples, "") if sample.label("airflow_id") == prefix]
        return [line.replace(f'airflow_id="{prefix}",', "") for line in exposition.lines(found, types)]

    def types(self) -> dict[str, str]:
        """Return family -> type."""
        return self.bench.page()[1]

    def names(self) -> set[str]:
        """Return the names of all series of all Airflows."""
        samples, _ = self.bench.page()
        return {sample.name for sample in of_namespace(samples, "")}

    def dropped(self) -> int:
        """Return how many points were dropped as unmapped so far."""
        return self.bench.telemetry().dropped()["filter/airflow"]


@pytest.fixture(scope="module")
def airflow(start: Start, free_ports: Callable[[int], list[int]]) -> Iterator[Airflow]:
    """A collector that receives StatsD."""
    (port,) = free_ports(1)
    with start({"airflow_metrics": True, "listen": {"statsd": f"127.0.0.1:{port}"}}) as bench:
        yield Airflow(bench, port, count())


def _series(text: str) -> str:
    """Return one expected line with the label job, which every series has."""
    name, _, rest = text.partition("{")
    labels, _, value = rest.partition("}")
    labelled = sorted(filter(None, ['job="airflow"', *labels.split(",")]))
    return f"{name}{{{','.join(labelled)}}}{value}"


def test_every_family(airflow: Airflow) -> None:
    """Each of the 46 mapped families has exactly its name, type and labels; a timer's milliseconds become seconds."""
    assert len(FAMILIES) == 46
    airflow.send(f"fleet.{line}" for lines, _, _ in FAMILIES for line in lines)
    assert airflow.lines("fleet") == sorted(_series(series) for _, _, found in FAMILIES for series in found)
    types = airflow.types()
    kinds = {(found[0].partition("{")[0], kind) for _, kind, found in FAMILIES}
    assert {(name, types.get(name)) for name, _ in kinds} == kinds


def test_every_name_of_the_table(airflow: Airflow) -> None:
    """Every metric that the table keeps comes out under its family, and every one that it drops is counted."""
    letters = {"counter": "c", "level": "c", "gauge": "g", "timer": "ms"}
    airflow.send(f"table.{_example(row.name)}:1|{letters[row.kind]}" for row in airflow_metrics.MAPPED)
    expected = {row.prometheus_name for row in airflow_metrics.MAPPED}
    assert {line.partition("{")[0] for line in airflow.lines("table")} == expected
    before, names = airflow.dropped(), airflow.names()
    airflow.send(f"table.{_example(row.name)}:1|c" for row in airflow_metrics.DROPPED)
    assert airflow.dropped() - before == len(airflow_metrics.DROPPED)
    assert airflow.names() == names


def _example(name: str) -> str:
    for variable, value in {"state": "success", "job_name": "schedulerjob"}.items():
        name = name.replace(f"{{{variable}}}", value)
    return name.replace("{", "").replace("}", "")


def test_the_table_is_of_one_mind() -> None:
    """No name is in the table twice, and rows of one family agree on its kind."""
    names = [row.name for row in airflow_metrics.MAPPED] + [row.name for row in airflow_metrics.DROPPED]
    assert len(names) == len(set(names))
    kinds = {(row.family, row.kind) for row in airflow_metrics.MAPPED}
    assert len(kinds) == len({family for family, _ in kinds})


def test_increments_of_many_senders_add_up(airflow: Airflow) -> None:
    """Ten packets at the same moment count as ten, fractions and sample rates as what they stand for."""
    airflow.send(["race.ti_failures:1|c"] * 10 + ["race.ti_successes:1.5|c", "race.ti_successes:1|c|@0.5"])
    assert airflow.lines("race") == [
        _series("af_agg_ti_failures{} 10"),
        _series("af_agg_ti_successes{} 3.5"),
    ]


def test_ids_with_dots(airflow: Airflow) -> None:
    """The ids of a TaskGroup's task are labels; a DAG id ends at its first dot; none makes a metric name."""
    airflow.send(
        [
            "dots.ti.start.etl.load.insert.rows:1|c",
            "dots.ti.finish.etl.load.insert.failed:2|c",
            "dots.dagrun.duration.success.team.etl:1500|ms",
            "dots.dagrun.team.etl.first_task_scheduling_delay:250|ms",
            "dots.dag.etl.load.insert.duration:700000|ms",
            "dots.pool.open_slots.default.pool:7|g",
        ]
    )
    assert airflow.lines("dots") == [
        _series(f'af_agg_dag_task_duration{{dag_id="etl",task_id="load.insert"}} count=1 sum=700 {SLOW} 900:1'),
        _series(f'af_agg_dagrun_duration_success{{dag_id="team.etl"}} count=1 sum=1.5 {SLOW} 5:1'),
        _series(f'af_agg_dagrun_first_task_scheduling_delay{{dag_id="team.etl"}} count=1 sum=0.25 {SLOW} 0.5:1'),
        _series('af_agg_pool_open_slots{pool_name="default.pool"} 7'),
        _series('af_agg_ti_finish{dag_id="etl",state="failed",task_id="load.insert"} 2'),
        _series('af_agg_ti_start{dag_id="etl",task_id="load.insert.rows"} 1'),
    ]


def test_unknown_names_are_dropped_and_counted(airflow: Airflow) -> None:
    """What is on no list, however it looks, makes no series and is counted once each."""
    lines = [
        "strange.my_service.in_flight:1|c",
        "strange.af_agg_ti_start:1|c",
        "af_agg_ti_start:1|c",
        "ti_failures:1|c",
        "strange.ti.finish.etl.load.exploded:1|c",
        "strange.anything_start:1|c",
        "strange.my.timer:12|ms",
        "strange.batch.job.completions:1|c",
        "strange.run.0193f0e2-7c7b:1|g",
    ]
    before, names = airflow.dropped(), airflow.names()
    airflow.send(lines)
    assert airflow.lines("strange") == []
    assert airflow.dropped() - before == len(lines)
    assert airflow.names() == names


def test_the_wrong_kind_is_refused(airflow: Airflow) -> None:
    """A gauge for a counter, a counter for a timer and a counter that falls are refused; their neighbours not."""
    before = airflow.bench.telemetry().refused()
    airflow.send(["kinds.ti_failures:5|g", "kinds.dagrun.schedule_delay.etl:1|c", "kinds.ti_successes:-2|c"])
    airflow.send(["kinds.ti_successes:1|c"])
    assert airflow.lines("kinds") == [_series("af_agg_ti_successes{} 1")]
    found = airflow.bench.telemetry().refused() - before
    assert +found == {"filter/airflow": 2, "run_rollup/negative": 1}


def test_decrements(airflow: Airflow) -> None:
    """What goes up and down is a gauge that holds the sum of both."""
    for change in 3, -1, -4, 5:
        airflow.send([f"level.dag_processing.processes:{change}|c"])
    assert airflow.lines("level") == [_series("af_agg_dag_processing_processes{} 3")]
    assert airflow.types()["af_agg_dag_processing_processes"] == "gauge"


def test_tags_or_dots_are_counted_once(airflow: Airflow) -> None:
    """Airflow sends a metric with ids in its name and once more with ids as tags: one of the two counts."""
    plain = ["plain.ti.start.etl.load:1|c", "plain.ti.start:1|c"]
    datadog = [
        "datadog.ti.start.etl.load:1|c|#dag_id:etl,task_id:load",
        "datadog.ti.start:1|c|#dag_id:etl,task_id:load",
        "datadog.operator_failures_Bash:1|c|#dag_id:etl,task_id:load",
        "datadog.operator_failures:1|c|#dag_id:etl,task_id:load,operator:Bash,run_id:r1",
    ]
    influx = [
        "influx.ti.start.etl.load,dag_id=etl,task_id=load:1|c",
        "influx.ti.start,dag_id=etl.v2,task_id=load:1|c",
        "influx.task.duration,dag_id=etl.v2,task_id=load:2000|ms",
        "influx.ti_failures,dag_id=etl.v2,task_id=load,run_id=r1:1|c",
    ]
    airflow.send(plain + datadog + influx)
    assert airflow.lines("plain") == [_series('af_agg_ti_start{dag_id="etl",task_id="load"} 1')]
    assert airflow.lines("datadog") == [
        _series('af_agg_operator_failures{operator_name="Bash"} 1'),
        _series('af_agg_ti_start{dag_id="etl",task_id="load"} 1'),
    ]
    assert airflow.lines("influx") == [
        _series(f'af_agg_dag_task_duration{{dag_id="etl.v2",task_id="load"}} count=1 sum=2 {SLOW} 5:1'),
        _series("af_agg_ti_failures{} 1"),
        _series('af_agg_ti_start{dag_id="etl.v2",task_id="load"} 1'),
    ]


def test_the_names_in_prometheus(airflow: Airflow, prometheus: Prometheus) -> None:
    """In Prometheus a counter has the name of Airflow's dashboards, without _total."""
    airflow.send(["shown.ti_failures:4|c", "shown.dagrun.schedule_delay.etl:500|ms"])
    chosen = f'{{airflow_id="shown",instance="{airflow.bench.shard}",__name__!~".*_bucket"}}'

    def found() -> dict[str, float] | None:
        values = prometheus.values(chosen, "__name__")
        return values if len(values) == 3 else None

    assert until(f"three series of {chosen} in Prometheus", found, 30, airflow.bench.program.tail) == {
        "af_agg_ti_failures": 4,
        "af_agg_dagrun_schedule_delay_count": 1,
        "af_agg_dagrun_schedule_delay_sum": 0.5,
    }
