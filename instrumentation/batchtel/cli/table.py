"""The table of `batchtel`'s commands: where each is, and its line in the help of its group. It imports none of them."""

from __future__ import annotations

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """A command or group in the table of its group.

    Attributes:
        place: `module:attribute` of its click command.
        text: its line in the help of its group.
        platform: it needs the platform extra.
    """

    place: str
    text: str
    platform: bool = False


COMMANDS: Final = {
    "": {
        "run": Entry("batchtel.cli.run:run", "Run any command and record it."),
        "jobs": Entry("batchtel.cli.groups:jobs", "List jobs, and begin and check the job catalogue, jobs.toml."),
        "runs": Entry("batchtel.cli.groups:runs", "List runs, show one, compare two.", True),
        "spool": Entry("batchtel.cli.groups:spool", "Show what waits in a spool, and send it without a job."),
        "demo": Entry(
            "batchtel_stack.demo.commands:demo", "Run jobs on a stack of its own and compare what arrived.", True
        ),
        "stack": Entry(
            "batchtel.cli.groups:stack", "Start, watch and stop collector and stores on this machine.", True
        ),
        "ui": Entry("batchtel_stack.cli.ui:ui", "Show the fleet, jobs, runs and the pipeline in a browser.", True),
        "doctor": Entry(
            "batchtel_stack.doctor.commands:doctor", "Send a canary run, find it, name the fix if it fails.", True
        ),
        "alerts": Entry(
            "batchtel.cli.groups:alerts", "Print alert rules for Prometheus, from the job catalogue.", True
        ),
        "config": Entry("batchtel.cli.groups:config", "Render and check the collector's configuration.", True),
        "dashboards": Entry("batchtel.cli.groups:dashboards", "Write, check and publish the boards of Grafana.", True),
    },
    "jobs": {
        "list": Entry("batchtel_stack.cli.jobs:list_jobs", "List jobs with their state and last success.", True),
        "show": Entry("batchtel_stack.cli.jobs:show_job", "Show a job with its trend and last runs.", True),
        "init": Entry("batchtel.cli.jobs:init", "Write a jobs.toml to begin with."),
        "check": Entry("batchtel.cli.jobs:check", "Check a catalogue, print every problem with its line."),
        "schema": Entry("batchtel.cli.jobs:schema", "Print the catalogue's JSON Schema, for editors."),
    },
    "runs": {
        "list": Entry("batchtel_stack.cli.runs:list_runs", "List runs, the newest first."),
        "show": Entry("batchtel_stack.cli.runs:show", "Show everything that is recorded of a run."),
        "compare": Entry("batchtel_stack.cli.runs:compare", "Show what was different this time."),
    },
    "spool": {
        "list": Entry("batchtel.cli.spool:list_files", "Show how many requests wait in a folder, and since when."),
        "send": Entry("batchtel.cli.spool:send", "Send what waits in a folder."),
    },
    "stack": {
        "up": Entry(
            "batchtel_stack.commands:up", "Start collector, Prometheus, Alertmanager, VictoriaLogs and Jaeger."
        ),
        "status": Entry("batchtel_stack.commands:status", "Show which programs run, and why one does not."),
        "logs": Entry("batchtel_stack.commands:logs", "Show what the programs have logged."),
        "down": Entry("batchtel_stack.commands:down", "Stop the stack and leave no process."),
        "build": Entry("batchtel_stack.commands:build", "Build the programs into the cache and show where they are."),
    },
    "alerts": {
        "rules": Entry(
            "batchtel_dashboards.alerts.commands:rules", "Print the alert rules, a rule file of Prometheus."
        ),
        "alertmanager": Entry(
            "batchtel_dashboards.alerts.commands:alertmanager", "Print the configuration of Alertmanager."
        ),
        "list": Entry("batchtel_dashboards.alerts.commands:list_alerts", "List each alert and its meaning."),
    },
    "config": {
        "render": Entry("batchtel_collector.cli.render:render", "Print the collector's configuration."),
        "check": Entry("batchtel_collector.cli.check:check", "Check environments and their rendered configurations."),
        "variables": Entry("batchtel_collector.cli.job_variables:variables", "Print the variables that jobs need."),
        "environments": Entry(
            "batchtel_collector.cli.environments:environments", "List the shipped environments, or print one."
        ),
        "schema": Entry("batchtel_collector.cli.environments:schema", "Print the JSON Schema of environment files."),
    },
    "dashboards": {
        "build": Entry("batchtel_dashboards.boards.commands:build", "Write boards and provisioning files to a folder."),
        "check": Entry("batchtel_dashboards.boards.commands:check", "Check boards, print every problem."),
        "publish": Entry("batchtel_dashboards.boards.commands:publish", "Publish the boards to a Grafana."),
    },
}
"""Group, "" for `batchtel` itself -> name -> command."""


def paths() -> list[str]:
    """Return every command as it is typed after `batchtel`, such as `run` and `stack up`; without the groups."""
    return [f"{name} {below}".strip() for name in COMMANDS[""] for below in (COMMANDS.get(name) or [""])]
