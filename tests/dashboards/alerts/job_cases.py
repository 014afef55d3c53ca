"""Cases of the alerts about jobs."""

from __future__ import annotations

from typing import Final

from tests.dashboards.alerts.alert_case import AlertCase, Firing

LOAD: Final = {"job": "shop/etl", "deployment_environment_name": "prod", "job_name": "load"}
DEV: Final = {**LOAD, "deployment_environment_name": "dev"}
NIGHTLY: Final = {**LOAD, "job_name": "nightly"}
OWNED: Final = {**NIGHTLY, "owner": "ada@example.com", "team": "sales"}
PROD: Final = "service shop/etl, environment prod"


def series(name: str, who: dict[str, str], **more: str) -> str:
    """Return a series of a job, as a collector writes it: with a type, which no alert has."""
    labels = {"instance": "standalone-0", "job_type": "batch", **who, **more}
    return f"{name}{{{','.join(f'{key}={text!r}' for key, text in labels.items())}}}".replace("'", '"')


def violations(who: dict[str, str], **more: str) -> str:
    """Return the series of the missed deadlines of a job."""
    return series("batch_job_sla_violations_total", who, violation_type="deadline_missed", **more)


def violated(who: dict[str, str], count: int = 1, where: str = PROD) -> Firing:
    """Return the alert about missed deadlines."""
    return Firing(
        {**who, "violation_type": "deadline_missed"},
        f"{who['job_name']} violated its SLA: deadline_missed",
        f"{count} runs of the last hour violated deadline_missed ({where}).",
    )


def course(who: dict[str, str], started: str, ended: str, alive: str, running: str, success: str) -> dict[str, str]:
    """Return the samples of one job: its totals and the times of its states."""
    return {
        series("batch_job_runs_started_total", who): started,
        series("batch_job_completions_total", who, status="success"): ended,
        series("batch_job_alive_time_seconds_total", who): alive,
        series("batch_job_state_timestamp_seconds", who, state="running"): running,
        series("batch_job_state_timestamp_seconds", who, state="success"): success,
    }


BEATS: Final = "0+15x20 300x400"
KILLED: Final = course(LOAD, "z 1x419", "0x420", BEATS, "0x420", "_")
GOES_ON: Final = course(DEV, "z 1x419", "0x420", "0+15x420", "0x420", "_")
COMPLETED: Final = course(LOAD, "z 1x419", "0x20 1x400", BEATS, "0x420", "_x20 300x400")
LOST: Final = Firing(
    LOAD, "load: a run is lost", f"1 runs of the last hour started and did not report an end ({PROD})."
)


def silent(minutes: int) -> Firing:
    """Return the alert about a job whose run started so many minutes ago."""
    text = f"The job runs for {minutes}m 0s, and its heartbeats have stopped ({PROD})."
    return Firing(LOAD, "load: no heartbeat", text)


def ended(who: dict[str, str], status: str) -> str:
    """Return the series of runs that ended in a way."""
    return series("batch_job_completions_total", who, status=status)


def failed(share: str, who: dict[str, str] = LOAD) -> Firing:
    """Return the alert about a share of failed runs."""
    text = f"{share} of the last hour's runs failed, timed out or were lost ({PROD})."
    return Firing(who, f"{who['job_name']}: {share} of runs failed", text)


def state(name: str, who: dict[str, str] = NIGHTLY) -> str:
    """Return the series of the time at which a job entered a state."""
    return series("batch_job_state_timestamp_seconds", who, state=name)


def late(who: dict[str, str] = OWNED, where: str = PROD) -> Firing:
    """Return the alert about a job without a success in time."""
    text = f"The job has not succeeded for more than 1d 1h, the longest gap of its schedule and the grace ({where})."
    return Firing({**who, "reason": "no_success"}, "nightly has not succeeded in time", text)


TOO_LONG: Final = Firing(
    OWNED,
    "nightly lasts too long",
    f"A run goes on for longer than 1h, or did within the last hour ({PROD}).",
)

NEVER: Final = Firing(
    {"job_name": "nightly", "owner": "ada@example.com", "team": "sales", "reason": "never_ran"},
    "nightly has not succeeded in time",
    "No run of the job has ever reported a state; it is in the catalogue with a schedule.",
)

CASES: Final = (
    AlertCase(
        "BatchDurationSLABreach",
        "a run goes on for more than an hour and ends; one in another environment is shorter",
        {
            **course(NIGHTLY, "1x420", "0x300 1x120", "0+15x300 4500x120", "0x420", "_"),
            **course({**DEV, "job_name": "nightly"}, "1x420", "0x100 1x320", "0+15x100 1500x320", "0x420", "_"),
        },
        {"62m": [], "62m15s": [TOO_LONG], "75m": [TOO_LONG], "95m": []},
    ),
    AlertCase(
        "BatchDurationSLABreach",
        "a run of an hour that ended in time is delivered 8 hours later",
        {
            series("batch_job_runs_started_total", NIGHTLY): "_x1920 0 1x100",
            series("batch_job_alive_time_seconds_total", NIGHTLY): "_x1920 0 3600x100",
            series("batch_job_state_timestamp_seconds", NIGHTLY, state="running"): "_x1921 0x100",
            series("batch_job_state_timestamp_seconds", NIGHTLY, state="success"): "_x1921 3600x100",
        },
        {"481m": [], "482m": [], "484m": []},
    ),
    AlertCase(
        "BatchDurationSLABreach",
        "the job reports the first breach ever",
        {series("batch_job_sla_violations_total", NIGHTLY, violation_type="duration_exceeded"): "_x59 z 1x400"},
        {"14m45s": [], "15m": [TOO_LONG], "95m": []},
    ),
    AlertCase(
        "BatchDurationSLABreach",
        "another rule of the SLA is violated",
        {violations(NIGHTLY): "_x59 z 1x400"},
        {"15m": [], "60m": []},
    ),
    AlertCase(
        "BatchSLAViolation",
        "the first violation ever fires, and ends an hour later",
        {violations(LOAD): "_x59 z 1x400"},
        {"14m45s": [], "15m": [violated(LOAD)], "80m": [violated(LOAD)], "95m": []},
    ),
    AlertCase(
        "BatchSLAViolation",
        "nothing is violated, and all was switched off for the night",
        {violations(LOAD): "3x240 _x1920 3x300"},
        {"545m": [], "590m": []},
        engines=("exact",),
    ),
    AlertCase("BatchSLAViolation", "nothing is violated", {violations(LOAD): "0x400"}, {"20m": [], "90m": []}),
    AlertCase(
        "BatchSLAViolation",
        "of two environments one violates",
        {violations(LOAD): "0x400", violations(DEV): "_x59 z 2x400"},
        {"20m": [violated(DEV, 2, "service shop/etl, environment dev")]},
    ),
    AlertCase(
        "BatchSLAViolation",
        "the owner and the team of the catalogue",
        {violations(NIGHTLY): "_x59 z 1x400"},
        {"20m": [violated(OWNED)]},
    ),
    AlertCase(
        "BatchSLAViolation",
        "the collector restarts: old violations do not count again, the next one does",
        {violations(LOAD, boot="1"): "3x320", violations(LOAD, boot="2"): "_x340 1x60"},
        {"80m": [], "84m45s": [], "85m": [violated(LOAD)]},
        engines=("stock",),
    ),
    AlertCase(
        "BatchRunLost",
        "a run is killed after 5 minutes, one in another environment goes on",
        {**KILLED, **GOES_ON},
        {"5m": [], "11m": [LOST], "60m": [LOST], "100m": []},
    ),
    AlertCase(
        "BatchRunLost",
        "two parallel runs of 80 seconds succeed",
        course(LOAD, "z 2x419", "0x6 2x414", "0 30 60 90 120 150 160x414", "0x420", "_x6 80x414"),
        {"2m": [], "3m": [], "4m": [], "5m": [], "6m": [], "10m": []},
    ),
    AlertCase("BatchRunLost", "a run ends", COMPLETED, {"5m30s": [], "11m": [], "60m": []}),
    AlertCase(
        "BatchRunLost",
        "the first five runs ever start at once, and end",
        course(LOAD, "_x39 z 5x400", "_x39 z 0x40 5x400", "_x40 z 75+75x40 3075x400", "_x40 600x400", "_x81 1215x400"),
        {"11m": [], "22m": [], "65m": [], "71m": [], "72m": [], "73m": [], "80m": []},
    ),
    AlertCase(
        "BatchRunLost",
        "batchtel run reports the run that was killed",
        {ended(LOAD, "lost"): "_x59 z 1x400"},
        {"14m": [], "17m": [], "18m": [LOST], "70m": [LOST], "95m": []},
    ),
    AlertCase(
        "BatchHeartbeatMissing",
        "a job hangs after 5 minutes, one in another environment goes on; then it succeeds",
        {**KILLED, **GOES_ON, state("success", LOAD): "_x120 1800x300"},
        {"7m": [], "12m": [silent(12)], "29m": [silent(29)], "36m": []},
    ),
    AlertCase("BatchHeartbeatMissing", "the run ends: nothing runs", COMPLETED, {"8m": [], "30m": [], "90m": []}),
    AlertCase(
        "BatchHeartbeatMissing",
        "a job without heartbeats",
        {key: values for key, values in KILLED.items() if "alive" not in key},
        {"12m": [], "60m": []},
    ),
    AlertCase(
        "BatchHighFailureRate",
        "2 of 20 runs fail, then an hour passes",
        {ended(LOAD, "success"): "_x59 z 18x400", ended(LOAD, "failure"): "_x59 z 2x400"},
        {"14m": [], "15m": [failed("10%")], "70m": [failed("10%")], "95m": []},
    ),
    AlertCase(
        "BatchHighFailureRate",
        "1 of 20 runs fails: the limit itself",
        {ended(LOAD, "success"): "_x59 z 19x400", ended(LOAD, "timeout"): "_x59 z 1x400"},
        {"15m": [], "60m": []},
    ),
    AlertCase(
        "BatchHighFailureRate",
        "the only run fails, in one of two environments",
        {ended(NIGHTLY, "failure"): "_x59 z 1x400", ended(DEV, "success"): "_x59 z 5x400"},
        {"15m": [failed("100%", OWNED)]},
    ),
    AlertCase(
        "BatchHighFailureRate",
        "cancelled and skipped runs do not count",
        {ended(LOAD, "cancelled"): "_x59 z 5x400", ended(LOAD, "skipped"): "_x59 z 5x400"},
        {"20m": []},
    ),
    AlertCase(
        "BatchNotRunRecently",
        "no success for more than 25 hours, then one",
        {state("success"): "60x304 91500x20"},
        {"1500m": [], "1505m": [late()], "1520m": [late()], "1545m": []},
        interval="5m",
    ),
    AlertCase(
        "BatchNotRunRecently",
        "its type changes, and it goes on to succeed",
        {
            state("success"): "60x400",
            series("batch_job_state_timestamp_seconds", NIGHTLY, state="success", job_type="etl"): "60+300x400",
        },
        {"1505m": [], "1600m": []},
        interval="5m",
    ),
    AlertCase(
        "BatchNotRunRecently",
        "it starts and never succeeds",
        {state("running"): "0x400", state("failure"): "600x400"},
        {"1495m": [], "1505m": [late()], "1600m": [late()]},
        interval="5m",
    ),
    AlertCase(
        "BatchNotRunRecently",
        "it never runs, then it does; the paused job is silent",
        {state("success"): "_x310 93000x40"},
        {"1495m": [], "1500m": [NEVER], "1545m": [NEVER], "1570m": []},
        interval="5m",
    ),
    AlertCase(
        "BatchNotRunRecently",
        "the collector is away for 5 hours while it fires",
        {state("success"): "60x302 _x60 60x10"},
        {"1500m": [], "1505m": [late()], "1600m": [late()], "1800m": [late()]},
        interval="5m",
    ),
    AlertCase(
        "BatchNotRunRecently",
        "a success in one environment is none in the other",
        {
            state("success"): "60x300 90060x40",
            state("success", {**NIGHTLY, "deployment_environment_name": "dev"}): "60x340",
        },
        {"1510m": [late({**OWNED, "deployment_environment_name": "dev"}, "service shop/etl, environment dev")]},
        interval="5m",
    ),
)
