"""Where an alert leads: its runbook, the page of its job, its board at that time; templates of Prometheus."""

from __future__ import annotations

from typing import Final, NamedTuple

RUNBOOKS: Final = "docs/runbooks"
"""Where runbooks are, if no other address is given."""

JOB: Final = "batch-job"
PIPELINE: Final = "batch-pipeline"
"""The uids of the boards."""

_DAY: Final = 86400000
"""Milliseconds that a board shows: half a day before the alert was evaluated, and half a day after."""

_SELECTED: Final = (("environment", "deployment_environment_name"), ("service", "job"), ("job", "job_name"))
"""Variables of the board and the labels of an alert; one that the alert does not have selects all."""


class Links(NamedTuple):
    """Addresses without a slash at the end.

    Attributes:
        runbooks: of the folder of runbooks.
        grafana: of Grafana, with its path if it has one; empty if alerts lead to no board.
        ui: of `batchtel ui`; empty if alerts lead to no page.
    """

    runbooks: str = RUNBOOKS
    grafana: str = ""
    ui: str = ""

    def annotations(self, alert: str, board: str) -> dict[str, str]:
        """Return `runbook_url`, `dashboard_url` where there is a Grafana, and `page_url` where there are pages.

        `time` and `time.window` are Grafana's: from and to cannot be computed in a template.
        """
        links = {"runbook_url": f"{self.runbooks}/{alert}.md"}
        if self.grafana:
            selected = "".join(_selection(f"var-{name}", label) for name, label in _SELECTED) if board == JOB else ""
            moment = f'time={{{{ now | printf "%.0f" }}}}000&time.window={_DAY}'
            links["dashboard_url"] = f"{self.grafana}/d/{board}?{selected}{moment}"
        if self.ui:
            # The page calls a job by its name.
            query = "".join(_selection("name" if name == "job" else name, label) for name, label in _SELECTED)
            links["page_url"] = f"{self.ui}/job?{query}" if board == JOB else f"{self.ui}/pipeline"
        return links


DEFAULT: Final = Links()
"""For somebody who has given no address."""


def _selection(parameter: str, label: str) -> str:
    return f"{{{{ with $labels.{label} }}}}{parameter}={{{{ . | urlQueryEscape }}}}&{{{{ end }}}}"
