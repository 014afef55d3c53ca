"""The keys of a job catalogue: one table that the reader, the JSON Schema and the tests share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from batchtel.base.identity import bounded
from batchtel.catalogue import zones
from batchtel.catalogue.cron import WEEKDAYS, Cron, CronError
from batchtel.catalogue.deadline import Deadline

CANARY: Final = "batchtel_doctor"
"""Name of the job that `batchtel doctor` runs. With a schedule in the catalogue it is a canary of the pipeline."""

UNUSED: Final = ("severity", "runbook", "grace")
"""Keys that earlier versions accepted and nothing reads: they are refused, and cost a job nothing else."""

_UNITS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION: Final = "".join(rf"(?:(\d+(?:\.\d+)?){unit})?" for unit in _UNITS)
_TIME: Final = r"([01]\d|2[0-3]):([0-5]\d)"


class WrongValueError(ValueError):
    """A value that does not fit; `problems` are what it is not and what to write instead."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems


class Kind(NamedTuple):
    """A kind of value: `read` converts it or raises WrongValueError; `schema` is the same in JSON Schema."""

    name: str
    read: Callable[[Any], Any]
    schema: Mapping[str, Any]


class Table(NamedTuple):
    """A table of keys; `make` builds a record of their values, or raises WrongValueError for a contradiction."""

    keys: Mapping[str, tuple[Kind | Table, str]]
    make: Callable[..., Any]
    required: tuple[str, ...] = ()
    schema: Mapping[str, Any] = {}


class Schedule(NamedTuple):
    """When runs are due: by a cron expression, or every so many seconds."""

    cron: Cron | None = None
    timezone: str = "UTC"
    every: float | None = None


class Sla(NamedTuple):
    """The rules for each run; None is no rule. Durations and ages in seconds, a rate from 0 to 1."""

    max_duration: float | None = None
    must_complete_by: Deadline | None = None
    max_failure_rate: float | None = None
    min_records: int | None = None
    max_data_age: float | None = None


class CatalogueJob(NamedTuple):
    """One job of the catalogue; texts are empty where they are not given."""

    type: str = ""
    owner: str = ""
    team: str = ""
    paused: bool = False
    schedule: Schedule | None = None
    sla: Sla | None = None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or bounded(value) != value:
        raise WrongValueError('is not a text of 1 to 120 printable characters; write for example "sales"')
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError("is not true or false")
    return value


def _duration(value: Any) -> float:
    found = re.fullmatch(_DURATION, value) if isinstance(value, str) else None
    parts = found.groups() if found else ()
    seconds = sum(float(part) * unit for part, unit in zip(parts, _UNITS.values(), strict=False) if part)
    if seconds <= 0:
        raise WrongValueError('is not a duration above 0; write numbers with units, such as "90s", "1h30m" or "2d"')
    return seconds


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise WrongValueError("is not a share from 0 to 1; write for example 0.01 for one record in a hundred")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise WrongValueError("is not a whole number above 0; write for example 100_000")
    return value


def _zone(value: Any) -> str:
    try:
        zones.zone(value if isinstance(value, str) else "")
    except zones.NoZonesError:
        # It may be valid; the code that needs the zone reports what is missing.
        return str(value)
    except ValueError:
        raise WrongValueError('is not a time zone; write for example "Europe/Berlin" or "UTC"') from None
    return str(value)


def _time(value: Any) -> tuple[int, int]:
    found = re.fullmatch(_TIME, value) if isinstance(value, str) else None
    if found is None:
        raise WrongValueError('is not a time of day; write "00:00" to "23:59", in quotes')
    return int(found[1]), int(found[2])


def _weekdays(value: Any) -> frozenset[int]:
    if not isinstance(value, list) or not value or not all(day in WEEKDAYS for day in value):
        raise WrongValueError(f'is not a list of days; write for example ["mon", "fri"], of {", ".join(WEEKDAYS)}')
    return frozenset(WEEKDAYS.index(day) for day in value)


def _cron(value: Any) -> Cron:
    try:
        return Cron.of(value if isinstance(value, str) else "")
    except CronError as wrong:
        raise WrongValueError(*(f"is not a cron expression: {problem}" for problem in wrong.problems)) from None


def _schedule(**values: Any) -> Schedule:
    problems = []
    if ("cron" in values) == ("every" in values):
        problems.append('needs either cron or every; write for example cron = "30 22 * * *"')
    if "timezone" in values and "cron" not in values:
        problems.append("timezone has no meaning without cron; remove it")
    if problems:
        raise WrongValueError(*problems)
    return Schedule(**values)


def _job(**values: Any) -> CatalogueJob:
    schedule, sla = values.get("schedule"), values.get("sla")
    if sla is not None and sla.must_complete_by is not None and not sla.must_complete_by.timezone:
        # A deadline is in the zone of its schedule unless it names another one.
        due = sla.must_complete_by._replace(timezone=schedule.timezone if schedule is not None else "UTC")
        values["sla"] = sla._replace(must_complete_by=due)
    return CatalogueJob(**values)


TEXT: Final = Kind("text", _text, {"type": "string", "minLength": 1, "maxLength": 120})
FLAG: Final = Kind("true or false", _flag, {"type": "boolean"})
DURATION: Final = Kind("duration", _duration, {"type": "string", "pattern": f"^(?=.*[1-9]){_DURATION}$"})
RATE: Final = Kind("share", _rate, {"type": "number", "minimum": 0, "maximum": 1})
COUNT: Final = Kind("whole number", _count, {"type": "integer", "minimum": 1})
ZONE: Final = Kind("time zone", _zone, {"type": "string", "examples": ["Europe/Berlin", "UTC"]})
TIME: Final = Kind("time of day", _time, {"type": "string", "pattern": f"^{_TIME}$"})
DAYS: Final = Kind("list of days", _weekdays, {"type": "array", "minItems": 1, "items": {"enum": list(WEEKDAYS)}})
CRON: Final = Kind("cron expression", _cron, {"type": "string", "examples": ["30 22 * * *"]})

DEADLINE: Final = Table(
    {
        "time": (TIME, "Time of day by which the run has to be complete."),
        "timezone": (ZONE, "Time zone of the time; that of the schedule, else UTC, if not given."),
        "weekdays": (DAYS, "Days that have the deadline; every day if not given."),
    },
    Deadline,
    required=("time",),
)
SCHEDULE: Final = Table(
    {
        "cron": (CRON, "When runs are due: five fields, or a macro such as @daily."),
        "timezone": (ZONE, "Time zone of the cron expression; UTC if not given."),
        "every": (DURATION, "Time between two runs, for a job without a cron expression."),
    },
    _schedule,
    schema={"oneOf": [{"required": ["cron"]}, {"required": ["every"], "not": {"required": ["timezone"]}}]},
)
SLA: Final = Table(
    {
        "max_duration": (DURATION, "Longest time from the first start of a run to its end."),
        "must_complete_by": (DEADLINE, "Time of day by which the run of each scheduled day has to be complete."),
        "max_failure_rate": (RATE, "Largest share of failed records among all records of a run."),
        "min_records": (COUNT, "Fewest records that a run has to process."),
        "max_data_age": (DURATION, "How old the newest data of a run may be at its end."),
    },
    Sla,
)
JOB: Final = Table(
    {
        "type": (TEXT, "Kind of the job, where the job itself does not name it."),
        "owner": (TEXT, "Who answers for the job."),
        "team": (TEXT, "Whose job it is."),
        "paused": (FLAG, "Whether the job is not expected to run; a paused job violates no SLA."),
        "schedule": (SCHEDULE, "When runs are due."),
        "sla": (SLA, "What each run owes."),
    },
    _job,
)
"""The keys of one job."""
