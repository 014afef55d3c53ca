"""Our cron expressions beside those of cronsim, the parser of Healthchecks, which follows Debian's rules, too."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from batchtel.catalogue.cron import FIELDS, Cron, CronError, Field

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
CASES = 300


def _field(field: Field, dice: random.Random) -> str:
    highest = 6 if field.highest == 7 else field.highest
    low = dice.randint(field.lowest, highest)
    high = dice.randint(low, highest)
    return dice.choice(("*", "*", "*", f"{low}", f"{low}-{high}", f"*/{dice.randint(1, 20)}", f"{low},{high}"))


def _expression(dice: random.Random) -> str:
    return " ".join(_field(field, dice) for field in FIELDS)


def _at_night(dice: random.Random) -> str:
    """Return an expression for the hours in which clocks change."""
    return f"{dice.choice(('0', '15,45', '*/20', '*'))} {dice.choice(('1', '2', '3', '1-3', '*', '*/2'))} * * *"


CHANGES = (datetime(2026, 3, 8, 7), datetime(2026, 3, 29, 1), datetime(2026, 10, 25, 1), datetime(2026, 11, 1, 6))
"""When the clocks of New York and of Berlin change, in UTC."""


@pytest.mark.parametrize("seed", range(CASES))
def test_the_times_before_a_moment(seed: int) -> None:
    """Of seeded expressions, zones and moments the three last times are the same, those of changed clocks included."""
    dice = random.Random(seed)
    around = seed % 2 == 0
    expression = _at_night(dice) if around else _expression(dice)
    zone = ZoneInfo(dice.choice(ZONES))
    anchor = dice.choice(CHANGES).replace(tzinfo=UTC)
    moment = anchor + timedelta(minutes=dice.randint(-180, 360) if around else dice.randint(-3_000, 300_000))
    try:
        ours = Cron.of(expression)
    except CronError:
        with pytest.raises(Exception):  # noqa: B017, PT011
            next(CronSim(expression, moment.astimezone(zone)))
        return
    found, before = [], moment.timestamp()
    for _ in range(3):
        due = ours.previous(before, zone)
        if due is None:
            break
        found.append(due)
        before = due - 60
    theirs = CronSim(expression, (moment + timedelta(minutes=1)).astimezone(zone), reverse=True)
    expected = [due.timestamp() for due in islice(theirs, len(found))]
    assert found == expected, (expression, zone.key, moment.isoformat())
