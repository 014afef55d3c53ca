"""Cases about live, lost and current states, which both ways to aggregate fulfil, as their series and rules are."""

from __future__ import annotations

from collections.abc import Mapping

from batchtel_dashboards import queries
from batchtel_dashboards.engines import Engine
from tests.dashboards.promtool import Case


def course(
    name: str, states: Mapping[str, str], *, started: str, ended: str, alive: str, more: str = ""
) -> dict[str, str]:
    """Return the samples of one job: state -> times, and the totals of its starts, ends and heartbeats."""
    who = f'job="etl",job_name="{name}",job_type="batch"{more}'
    writer = f'{who},instance="standalone-0",boot="1"'
    times = {f'batch_job_state_timestamp_seconds{{{writer},state="{state}"}}': at for state, at in states.items()}
    return {
        f"batch_job_runs_started_total{{{writer}}}": started,
        f'batch_job_completions_total{{{writer},status="success"}}': ended,
        f"batch_job_alive_time_seconds_total{{{writer}}}": alive,
        **times,
    }


BEATS = "0+15x20 300x100"
"""Heartbeats of one run for 5 minutes, and none afterwards."""

KILLED = course("load", {"running": "0x120"}, started="1x120", ended="0x120", alive=BEATS)
RUNNING = course("load", {"running": "0x120"}, started="1x120", ended="0x120", alive="0+15x120")
ENDED = course(
    "load", {"running": "0x120", "success": "_x20 300x100"}, started="1x120", ended="0x20 1x100", alive=BEATS
)
RETRIED = course(
    "load",
    {"running": "0x10 150x110", "retrying": "_x5 75x115", "success": "_x20 300x100"},
    started="1x120",
    ended="0x20 1x100",
    alive=BEATS,
)
ONE = '{job="etl",job_name="load"}'
STATE = 'batch_job_state_timestamp_seconds:max{job="etl",job_name="load",job_type="batch",state="%s"}'
STEP = 'batch_step_state_timestamp_seconds%s{job="etl",job_name="load",job_type="batch",state="%s",step_name="%s"}'


def lost_cases(engine: Engine) -> tuple[Case, ...]:
    """Return the cases about live, lost and current states, which both ways to aggregate fulfil."""
    return (
        Case("a run that was killed is counted as lost", KILLED, queries.lost("20m", engine=engine), "10m", {ONE: 1}),
        Case(
            "a run that was killed before the window is not", KILLED, queries.lost("5m", engine=engine), "20m", {ONE: 0}
        ),
        Case("a run that runs is not lost", RUNNING, queries.lost("20m", engine=engine), "10m", {ONE: 0}),
        Case(
            "a run that runs from before the window is not lost",
            RUNNING,
            queries.lost("5m", engine=engine),
            "20m",
            {ONE: 0},
        ),
        Case("a run that has just ended is not lost", ENDED, queries.lost("20m", engine=engine), "330s", {ONE: 0}),
        Case("a run that has ended is not lost", ENDED, queries.lost("20m", engine=engine), "20m", {ONE: 0}),
        Case(
            "a run from before the window that is killed in it is lost",
            {key: values if "alive" not in key else "0+15x60 900x60" for key, values in KILLED.items()},
            queries.lost("10m", engine=engine),
            "22m",
            {ONE: 1},
        ),
        Case(
            "a DAG run, which has no heartbeat, is not reported as lost",
            {key: values for key, values in RUNNING.items() if "alive" not in key},
            queries.lost("20m", engine=engine),
            "10m",
            {},
        ),
        Case(
            "its state is lost when its heartbeats have stopped",
            KILLED,
            queries.current_state("job", engine=engine),
            "10m",
            {STATE % "lost": 0},
        ),
        Case(
            "the state of one that runs is running",
            RUNNING,
            queries.current_state("job", engine=engine),
            "10m",
            {STATE % "running": 0},
        ),
        Case(
            "also in its first minutes",
            course("load", {"running": "_x4 60x20"}, started="_x4 1x20", ended="_x4 0x20", alive="_x4 0x1 30x20"),
            queries.current_state("job", engine=engine),
            "105s",
            {STATE % "running": 60},
        ),
        Case(
            "the state of one that fails, runs again and succeeds: while it waits",
            RETRIED,
            queries.current_state("job", engine=engine),
            "100s",
            {STATE % "retrying": 75},
        ),
        Case(
            "while it runs again",
            RETRIED,
            queries.current_state("job", engine=engine),
            "200s",
            {STATE % "running": 150},
        ),
        Case("and in the end", RETRIED, queries.current_state("job", engine=engine), "20m", {STATE % "success": 300}),
        Case(
            "the state of a DAG run, which has no heartbeat, stays running",
            {key: values for key, values in RUNNING.items() if "alive" not in key},
            queries.current_state("job", engine=engine),
            "20m",
            {STATE % "running": 0},
        ),
        Case(
            "one job in two environments and services is three jobs",
            {
                **course("load", {"running": "9x20"}, started="1x20", ended="0x20", alive="0+15x20"),
                **course(
                    "load",
                    {"success": "8x20"},
                    started="1x20",
                    ended="0x20",
                    alive="0+15x20",
                    more=',deployment_environment_name="dev"',
                ),
                STATE.replace(":max", "").replace('"etl"', '"shop"') % "failure": "7x20",
            },
            queries.latest_state("job", engine=engine),
            "2m",
            {
                STATE % "running": 9,
                'batch_job_state_timestamp_seconds:max{deployment_environment_name="dev",job="etl",job_name="load",'
                'job_type="batch",state="success"}': 8,
                'batch_job_state_timestamp_seconds:max{job="shop",job_name="load",job_type="batch",state="failure"}': 7,
            },
        ),
        Case(
            "the state of a step of a run that was killed",
            {**KILLED, STEP % ("", "success", "read"): "30x120", STEP % ("", "running", "write"): "60x120"},
            queries.current_state("step", engine=engine),
            "10m",
            {STEP % (":max", "success", "read"): 30, STEP % (":max", "lost", "write"): 60},
        ),
    )
