"""Who gets notifications: the receivers of Alertmanager for a team, with secrets in files."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from batchtel_dashboards.alerts.alert import Severity

KINDS: Final = ("pagerduty", "slack", "email", "webhook")
"""The products, and protocols, that a notification can go to."""

_TEXT: Final = (
    "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.description }}\n{{ .Annotations.runbook_url }}\n"
    "{{ end }}"
)
"""A template of Alertmanager: the text about each alert of a notification."""


class Receivers(NamedTuple):
    """Where the notifications of every team go.

    Attributes:
        critical: of `KINDS`, for alerts of this severity.
        warning: of `KINDS`, for all others.
        secrets: folder of the files with keys and addresses, on the machine of Alertmanager.
        mail_domain: of the teams' addresses; needed for `email`.
    """

    critical: tuple[str, ...] = ("pagerduty", "slack")
    warning: tuple[str, ...] = ("slack",)
    secrets: str = "/etc/alertmanager/secrets"
    mail_domain: str = ""

    def of(self, team: str, severity: Severity) -> dict[str, Any]:
        """Return the receiver of a team for one severity."""
        kinds = self.critical if severity == "critical" else self.warning
        configurations = {f"{kind}_configs": [self._configuration(kind, team, severity)] for kind in sorted(set(kinds))}
        return {"name": name(team, severity), **configurations}

    def global_settings(self) -> dict[str, Any]:
        """Return the section `global`: how mail is sent, empty without `email`."""
        if "email" not in (*self.critical, *self.warning):
            return {}
        return {
            "smtp_smarthost": f"smtp.{self.mail_domain}:587",
            "smtp_from": f"alertmanager@{self.mail_domain}",
            "smtp_auth_username": f"alertmanager@{self.mail_domain}",
            "smtp_auth_password_file": f"{self.secrets}/smtp-password",
        }

    def _configuration(self, kind: str, team: str, severity: Severity) -> dict[str, Any]:
        file = f"{self.secrets}/{_plain(team)}-{kind}"
        if kind == "pagerduty":
            return {"routing_key_file": file, "severity": severity}
        if kind == "slack":
            title = "{{ .Status | toUpper }} {{ .CommonLabels.alertname }} {{ .CommonLabels.job_name }}"
            return {"api_url_file": file, "send_resolved": True, "title": title, "text": _TEXT}
        if kind == "email":
            return {"to": f"{_plain(team)}@{self.mail_domain}", "send_resolved": True}
        return {"url_file": file}


def name(team: str, severity: Severity) -> str:
    """Return the name of a receiver."""
    return f"{team} {severity}"


def _plain(team: str) -> str:
    """Return the name of a team as part of a file name and of an address."""
    return re.sub(r"[^a-z0-9]+", "-", team.lower()).strip("-") or "team"
