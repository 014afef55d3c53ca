"""Rules over samples on the real promtool: which alerts were firing, and since when."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from batchtel.catalogue.reader import parse
from batchtel_dashboards import rules
from batchtel_dashboards.alerts import expected, rule_file
from tests.dashboards.alerts.simulation.samples import STEP

_FIRING: Final = 'ALERTS{alertstate="firing"}'

_LINE: Final = re.compile(r"\{([^{}]*alertname=[^{}]*)\} (\S+?)[\",\s]")


class Fired(NamedTuple):
    """An alert that was firing: its labels, and the Unix time of the first evaluation at which it was."""

    labels: Mapping[str, str]
    since: float


def fired(
    promtool: Path, folder: Path, samples: Mapping[str, str], catalogue: str, engine: str, start: int, minutes: int
) -> list[Fired]:
    """Return every alert that was firing at any evaluation, one each minute; each label set once.

    Raises:
        RuntimeError: promtool did not evaluate the rules.
    """
    content = yaml.safe_load(rule_file.text(expected.jobs(parse(catalogue)), engine))
    (folder / "alerts.yaml").write_text(yaml.safe_dump(content, width=1000))
    (folder / "rules.yaml").write_text(_recorded(samples) if engine == "stock" else "groups: []\n")
    # The queries have no expected samples, so promtool fails where anything was firing, and prints what. One for each
    # 6 hours: promtool reads 10,000 samples of a query at most.
    query = f"min_over_time(timestamp({_FIRING})[360m:1m])"
    ends = [*range(359, minutes - 1, 360), minutes - 1]
    test = {
        "rule_files": ["rules.yaml", "alerts.yaml"],
        "evaluation_interval": f"{STEP}s",
        "group_eval_order": [rules.GROUP] * (engine == "stock") + [group["name"] for group in content["groups"]],
        "tests": [
            {
                "interval": f"{STEP}s",
                "start_timestamp": start,
                "input_series": [{"series": name, "values": values} for name, values in samples.items()],
                "promql_expr_test": [{"expr": query, "eval_time": f"{end}m", "exp_samples": []} for end in ends],
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test, width=10**9))
    command = [str(promtool), "test", "rules", "test.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    if done.returncode == 0:
        return []
    found = [Fired(_labels(labels), float(value)) for labels, value in _LINE.findall(output + "\n")]
    if not found:
        raise RuntimeError(output)
    first: dict[str, Fired] = {}
    for one in sorted(found, key=lambda one: one.since):
        first.setdefault(str(sorted(one.labels.items())), one)
    return [*first.values()]


def _labels(text: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)=\\?"([^"\\]*)\\?"', text))


def _recorded(samples: Mapping[str, str]) -> str:
    """Return the recording rules about the metrics of the fleet, in place."""
    content: dict[str, Any] = yaml.safe_load(rules.text())
    names = {series.partition("{")[0].removesuffix("_total") for series in samples}
    for group in content["groups"]:
        group["rules"] = [rule for rule in group["rules"] if any(name in rule["expr"] for name in names)]
    return yaml.safe_dump(content, sort_keys=False, width=1000)
