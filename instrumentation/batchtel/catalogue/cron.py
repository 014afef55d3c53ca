"""Cron expressions: the last time at which a schedule was due.

Five fields as in crontab(5), names, ranges, steps and lists; the macros `@daily` and the like. Where clocks change the
rules are Debian's (cron(8)): a fixed time that is left out is due at the change and one that comes twice is due once,
the first time; with `*` as the hour or the minute the schedule follows the clock.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from batchtel.catalogue import zones

MACROS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Field(NamedTuple):
    """One of the five: its name, its lowest and highest value, and the names that stand for values."""

    name: str
    lowest: int
    highest: int
    names: dict[str, int]


FIELDS: Final = (
    Field("minute", 0, 59, {}),
    Field("hour", 0, 23, {}),
    Field("day of month", 1, 31, {}),
    Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    Field("day of week", 0, 7, {name: number % 7 for number, name in enumerate(WEEKDAYS, start=1)}),
)

_LONGEST_PAUSE: Final = timedelta(days=8 * 366)
"""29 February is left out by 1900, 2100 and so on: at most 8 years lie between two of them."""


class CronError(ValueError):
    """A text that is no cron expression; `problems` has a sentence for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Cron(NamedTuple):
    """A cron expression, read: the values that each field allows; days of week count from Monday, 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    follows_clock: bool

    @classmethod
    def of(cls, expression: str) -> Cron:
        """Read an expression; CronError if it is none, with all that is wrong."""
        text = expression.strip()
        parts = MACROS.get(text.lower(), text).split()
        if len(parts) != len(FIELDS):
            raise CronError([_not_five(text, len(parts))])
        problems: list[str] = []
        values = [_values(part, field, problems) for part, field in zip(parts, FIELDS, strict=True)]
        minutes, hours, days, months, weekdays = values
        if not problems and max(days) and not _exists(days, months) and parts[4].startswith("*"):
            problems.append(f"{text!r} is never due: no such month has a day {min(days)}")
        if problems:
            raise CronError(problems)
        return cls(
            tuple(sorted(minutes)),
            tuple(sorted(hours)),
            frozenset(days),
            frozenset(months),
            frozenset((day - 1) % 7 for day in weekdays),
            either_day=not (parts[2].startswith("*") or parts[4].startswith("*")),
            follows_clock=parts[0].startswith("*") or parts[1].startswith("*"),
        )

    def previous(self, moment: float, within: tzinfo) -> float | None:
        """Return the last time at or before `moment` that the schedule was due in a zone; Unix seconds.

        None if there was none in the last 8 years.
        """
        # A day ahead of UTC, or of a day that clocks have made longer, is the latest that can matter.
        day = datetime.fromtimestamp(moment, within).date()
        last = day - _LONGEST_PAUSE
        while day >= last:
            due = self._last_on(day, moment, within) if self._allows(day) else None
            if due is not None:
                return due
            day -= timedelta(days=1)
        return None

    def _allows(self, day: date) -> bool:
        of_month, of_week = day.day in self.days, day.weekday() in self.weekdays
        return day.month in self.months and ((of_month or of_week) if self.either_day else (of_month and of_week))

    def _last_on(self, day: date, moment: float, within: tzinfo) -> float | None:
        """Return the last time of `day` at or before `moment`; where clocks change, its times are not in order."""
        in_order = zones.length(day, within) == timedelta(days=1)
        found: list[float] = []
        for hour in reversed(self.hours):
            for minute in reversed(self.minutes):
                found += [time for time in self._at(day, hour, minute, within) if time <= moment]
                if found and in_order:
                    return found[0]
        return max(found, default=None)

    def _at(self, day: date, hour: int, minute: int, within: tzinfo) -> tuple[float, ...]:
        times = zones.moments(day, hour, minute, within)
        if self.follows_clock:
            return times
        return times[:1] or (zones.change(day, hour, minute, within),)


def _not_five(text: str, count: int) -> str:
    given = f"{text!r} has {count} field{'' if count == 1 else 's'}"
    if text.startswith("@"):
        return f"{text!r} is not a macro; the macros are {', '.join(MACROS)}"
    hint = "; seconds are not supported" if count == 6 else ""
    return f'{given}, not five (minute, hour, day of month, month, day of week){hint}; write for example "30 22 * * *"'


def _values(text: str, field: Field, problems: list[str]) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        try:
            values |= _range(part, field)
        except ValueError as error:
            problems.append(f"{field.name}: {error}")
    return values


def _range(part: str, field: Field) -> set[int]:
    span, slash, step = part.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        raise ValueError(f"{part!r} has no step above 0; write for example */15")
    first, dash, last = span.partition("-")
    if span == "*":
        low, high = field.lowest, field.highest
    else:
        low = _value(first, field)
        # `5/15` is `5-59/15`, as in most implementations.
        high = _value(last, field) if dash else field.highest if slash else low
    if high == 0 and field.highest == 7 and low > 0:
        high = 7
    if low > high:
        raise ValueError(f"{part!r} goes backwards; write {high}-{low}, or two ranges with a comma")
    return set(range(low, high + 1, int(step) if slash else 1))


def _value(text: str, field: Field) -> int:
    number = field.names.get(text.lower())
    if number is None and text.isdecimal() and text.isascii():
        number = int(text)
    if number is None or not field.lowest <= number <= field.highest:
        names = f", or {next(iter(field.names))} to {list(field.names)[-1]}" if field.names else ""
        raise ValueError(f"{text!r} is not one of {field.lowest} to {field.highest}{names}")
    return number


def _exists(days: set[int], months: set[int]) -> bool:
    return any(min(days) <= (29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31) for month in months)
