"""Cases of the alerts about deadlines and the canary."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from tests.dashboards.alerts.alert_case import AlertCase, Firing
from tests.dashboards.alerts.job_cases import LOAD, NIGHTLY, PROD, series, state, violated, violations

CATALOGUE: Final = """
[jobs.report]
schedule = { cron = "30 22 * * *", timezone = "Europe/Berlin" }
sla = { must_complete_by = { time = "06:00" } }

[jobs.monthly]
schedule = { cron = "0 1 1 * *" }
sla = { must_complete_by = { time = "06:00" } }

[jobs.batchtel_doctor]
schedule = { every = "15m" }
"""
"""A deadline after a night, one of a day of the month, and a canary with the limit of 25 minutes."""

WEEKDAY: Final = """
[jobs.weekly]
sla = { must_complete_by = { time = "08:00", timezone = "Europe/Berlin", weekdays = ["mon"] } }
"""
"""A deadline of a weekday, of a job without a schedule."""

REPORT: Final = {**LOAD, "job_name": "report"}
WEEKLY: Final = {**LOAD, "job_name": "weekly"}
MONTHLY: Final = {**LOAD, "job_name": "monthly"}
DOCTOR: Final = {**LOAD, "job_name": "batchtel_doctor"}


def at(text: str) -> int:
    """Return the Unix time of a text such as `2026-10-24 20:00`, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def missed(who: dict[str, str], when: str) -> Firing:
    """Return the alert about a deadline."""
    text = f"The run that was due before {when} has not succeeded ({PROD})."
    return Firing({**who, "reason": "no_success"}, f"{who['job_name']} missed its deadline", text)


def succeeded(who: dict[str, str], *values: tuple[str, int]) -> dict[str, str]:
    """Return the time of the last success, in UTC, and for how many samples it is the last one."""
    return {state("success", who): " ".join(f"{at(when)}x{count}" for when, count in values)}


BY_SIX: Final = "06:00 (Europe/Berlin)"
SILENT: Final = Firing(
    {**DOCTOR, "reason": "no_success"},
    "batchtel_doctor: the canary of the pipeline is missing",
    f"`batchtel doctor` has not succeeded for more than 25m ({PROD}).",
)
NOTHING: Final = Firing(
    {"job_name": "batchtel_doctor", "reason": "never_ran"},
    "batchtel_doctor: the canary of the pipeline is missing",
    "No run of `batchtel doctor` is in Prometheus, for 6 hours at least.",
)
NO_WEEKLY: Final = Firing(
    {"job_name": "weekly", "reason": "never_ran"},
    "weekly missed its deadline",
    "No run of the job has ever reported a state; it is in the catalogue with a deadline.",
)


def _case(alert: str, story: str, start: str, samples: dict[str, str], fires: dict[str, list[Firing]]) -> AlertCase:
    catalogue = WEEKDAY if "weekly" in "".join(samples) else CATALOGUE
    return AlertCase(alert, story, samples, fires, "5m", catalogue=catalogue, start=at(start))


CASES: Final = (
    _case(
        "BatchDeadlineMissed",
        "nothing runs in the night in which clocks go back, until late in the morning",
        "2026-10-24 20:00",
        succeeded(REPORT, ("2026-10-23 21:00", 131), ("2026-10-25 06:55", 24)),
        {"480m": [], "535m": [], "540m": [missed(REPORT, BY_SIX)], "655m": [missed(REPORT, BY_SIX)], "670m": []},
    ),
    _case(
        "BatchDeadlineMissed",
        "a run of the night in which clocks go back ends 15 minutes after it was due",
        "2026-10-24 20:00",
        succeeded(REPORT, ("2026-10-23 21:00", 8), ("2026-10-24 20:45", 140)),
        {"480m": [], "540m": [], "720m": []},
    ),
    _case(
        "BatchDeadlineMissed",
        "nothing runs in the night in which clocks are advanced",
        "2026-03-28 21:00",
        succeeded(REPORT, ("2026-03-27 22:00", 150)),
        {"415m": [], "420m": [missed(REPORT, BY_SIX)], "600m": [missed(REPORT, BY_SIX)]},
    ),
    _case(
        "BatchDeadlineMissed",
        "the run still goes on at the deadline, in summer, and succeeds an hour later",
        "2026-06-01 20:00",
        {
            **succeeded(REPORT, ("2026-06-01 05:00", 107), ("2026-06-02 05:00", 24)),
            state("running", REPORT): f"{at('2026-06-01 20:30')}x200",
        },
        {"475m": [], "480m": [missed(REPORT, BY_SIX)], "535m": [missed(REPORT, BY_SIX)], "550m": []},
    ),
    _case(
        "BatchDeadlineMissed",
        "the last success is of the week before last, on the Monday after clocks went back",
        "2026-10-26 06:00",
        succeeded(WEEKLY, ("2026-10-18 20:00", 40)),
        {"55m": [], "60m": [missed(WEEKLY, "08:00 (Europe/Berlin)")]},
    ),
    _case(
        "BatchDeadlineMissed",
        "the job of a weekday succeeded in the week before it",
        "2026-10-26 06:00",
        succeeded(WEEKLY, ("2026-10-20 20:00", 40)),
        {"60m": [], "180m": []},
    ),
    _case(
        "BatchDeadlineMissed",
        "a monthly run is missing on the first, and not on the days before",
        "2026-06-30 05:00",
        succeeded(MONTHLY, ("2026-06-01 02:00", 400)),
        {"120m": [], "1495m": [], "1500m": [missed(MONTHLY, "06:00 (UTC)")]},
    ),
    AlertCase(
        "BatchDeadlineMissed",
        "no run of a job without a schedule is ever reported",
        {state("success", REPORT): "60x300"},
        {"1435m": [], "1440m": [NO_WEEKLY]},
        interval="5m",
        catalogue=WEEKDAY,
    ),
    _case(
        "BatchDeadlineMissed",
        "the collector has another name since yesterday, and no run is due until Monday",
        "2026-10-09 00:00",
        succeeded(WEEKLY, ("2026-10-05 05:00", 452)),
        {"2200m": [], "3600m": [], "3680m": [], "3700m": [], "3720m": [], "3740m": [], "3755m": []},
    ),
    _case(
        "BatchDeadlineMissed",
        "runs fail all day",
        "2026-06-01 20:00",
        {state("failure", REPORT): f"{at('2026-06-01 20:00')}x310"},
        {"1435m": [], "1445m": [missed(REPORT, BY_SIX)]},
    ),
    _case(
        "BatchDeadlineMissed",
        "a gateway with another name has no success of the job yet, 7 hours later",
        "2026-06-01 20:00",
        {
            **succeeded(REPORT, ("2026-06-01 20:45", 130)),
            state("success", REPORT).replace("standalone-0", "standalone-1"): f"_x240 {at('2026-06-02 16:00')}x50",
        },
        {"480m": [], "1020m": [], "1100m": []},
    ),
    AlertCase(
        "BatchSLAViolation",
        "a missed deadline of the catalogue is left to BatchDeadlineMissed",
        {
            violations(REPORT): "_x59 z 1x400",
            violations(NIGHTLY): "_x59 z 1x400",
            series("batch_job_sla_violations_total", REPORT, violation_type="data_stale"): "_x59 z 1x400",
        },
        {
            "20m": [
                violated(NIGHTLY),
                Firing(
                    {**REPORT, "violation_type": "data_stale"},
                    "report violated its SLA: data_stale",
                    f"1 runs of the last hour violated data_stale ({PROD}).",
                ),
            ]
        },
        catalogue=CATALOGUE,
    ),
    AlertCase(
        "BatchCanaryMissing",
        "no success for more than 25 minutes, then one",
        {state("success", DOCTOR): "60x30 1860x30"},
        {"26m": [], "27m": [SILENT], "30m": [SILENT], "47m": []},
        interval="1m",
        catalogue=CATALOGUE,
    ),
    AlertCase(
        "BatchCanaryMissing",
        "all series are away after 10 minutes: the pipeline is down",
        {state("success", DOCTOR): "60x10"},
        {"26m": [], "27m": [SILENT], "200m": [SILENT]},
        interval="1m",
        engines=("exact",),
        catalogue=CATALOGUE,
    ),
    AlertCase(
        "BatchCanaryMissing",
        "it has never run",
        {state("success", REPORT): "60x10"},
        {"24m": [], "25m": [NOTHING]},
        interval="1m",
        catalogue=CATALOGUE,
    ),
    AlertCase(
        "BatchCanaryMissing",
        "a success every 25 minutes: the limit itself",
        {state("success", DOCTOR): "0x25 1500x25"},
        {"25m": [], "50m": []},
        interval="1m",
        catalogue=CATALOGUE,
    ),
    AlertCase(
        "BatchNotRunRecently",
        "the canary has an alert of its own",
        {state("success", DOCTOR): "60x100", state("success", REPORT): "60x100"},
        {"60m": [], "90m": []},
        interval="1m",
        catalogue=CATALOGUE,
    ),
)
