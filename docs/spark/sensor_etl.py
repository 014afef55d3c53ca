"""An ETL without Spark: 100,000 readings of sensors, of which those in range are graded and written.

python sensor_etl.py --output-path ./sensors [--simulate-failure]
"""

import argparse
import csv
import random
from collections import Counter
from pathlib import Path

import batchtel

ROWS = 100_000

Reading = tuple[int, float, float]
"""Number of the sensor, degrees Celsius, per cent of humidity."""


def extract() -> list[Reading]:
    """Return readings: the same ones each time."""
    chance = random.Random(7)
    return [(number % 100, chance.uniform(-10, 70), chance.uniform(10, 100)) for number in range(ROWS)]


def grade(celsius: float) -> str:
    """Return the quality of a temperature."""
    return "cold" if celsius < 10 else "normal" if celsius < 35 else "hot"


def main() -> None:
    """Extract, transform and load."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--output-path", type=Path, default=Path("sensors"))
    arguments.add_argument("--simulate-failure", action="store_true")
    given = arguments.parse_args()
    with batchtel.job("sensor-etl", type="etl") as job:
        with batchtel.step("extract") as step:
            readings = extract()
            step.records(written=len(readings))
        with batchtel.step("transform") as step:
            step.records(read=len(readings))
            if given.simulate_failure:
                raise ValueError("schema mismatch")
            passed = [reading for reading in readings if 0 <= reading[1] <= 55 and 20 <= reading[2] <= 95]
            step.records(written=len(passed))
        with batchtel.step("load") as step:
            given.output_path.mkdir(parents=True, exist_ok=True)
            with (given.output_path / "readings.csv").open("w", newline="") as file:
                csv.writer(file).writerows((*reading, grade(reading[1])) for reading in passed)
            step.records(read=len(passed), written=len(passed))
        job.records(processed=len(passed))
        job.set(Counter(grade(celsius) for _, celsius, _ in passed))


if __name__ == "__main__":
    main()
