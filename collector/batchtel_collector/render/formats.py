"""Manifests for the platform that runs the collector, with a rendered configuration in them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader

from batchtel.version import __version__
from batchtel_collector.environment.errors import InputError
from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.values import required_variables
from batchtel_collector.render import platform_needs, systemd_unit
from batchtel_collector.render import pods as pod_parts
from batchtel_collector.render.configuration import render, templates
from batchtel_collector.render.platform_needs import Needs

FORMATS: Final = ("collector", "helm", "kubernetes", "compose", "systemd")
"""The names of the formats: the configuration alone, or within the files of a platform."""

IN_PODS: Final = ("helm", "kubernetes")
"""The formats in which each collector has a network address of its own."""

ENDINGS: Final = {"collector": "yaml", "systemd": "service"}
"""Format -> the ending of its file; of every other one it is `FORMAT.yaml`."""

_LARGEST: Final = 1_000_000
"""Bytes of a configuration in a ConfigMap, which holds 1 MiB with its own keys."""

FOLDER: Final = Path(__file__).parent / "platforms"
"""Folder of the templates of the platforms, one file each."""


class FormatError(InputError):
    """An environment cannot be rendered in a format."""


def formatted(environment: Environment, form: str, stem: str, typed: str = "") -> str:
    """Return the text of one format.

    Args:
        environment: what is rendered.
        form: one of FORMATS.
        stem: name of the file of the configuration, without its ending.
        typed: what --env is in the command of the header; the environment's name if not given.

    Raises:
        FormatError: the listeners are on loopback and the platform's other pods could not reach them, or the
            folder of the queues depends on the environment of the running collector, or the platform cannot
            mount or load a file of it.
    """
    if form in IN_PODS:
        environment = pod_parts.with_token_files(environment)
    configuration = render(environment, typed)
    if form == "collector":
        return configuration
    if form not in forms(environment):
        raise FormatError(
            f"{environment.name} listens on loopback, where no other pod reaches it, so there is nothing to render for "
            f"{form}; write listen.otlp_grpc, listen.otlp_http and listen.health with 0.0.0.0, and tls and token"
        )
    needs = platform_needs.needs(environment, configuration)
    if unknown := required_variables(needs.queue):
        raise FormatError(
            f"queue.folder of {environment.name} refers to {', '.join(unknown)}, and {form} needs "
            'a fixed path for its volume; write a folder, such as "/var/lib/batchtel/queue"'
        )
    if wrong := _problems(form, needs, configuration):
        raise FormatError("\n".join(f"{environment.name}: {problem}" for problem in wrong))
    found = templates()
    found.loader = FileSystemLoader(FOLDER)
    values = {
        "environment": environment,
        "is_agent": environment.role == "agent",
        "title": stem,
        "version": __version__,
        "command": (
            f"batchtel config render --env {typed or environment.name} --role {environment.role} --format {form}"
        ),
        "configuration": configuration.rstrip(),
        "digest": hashlib.sha256(configuration.encode()).hexdigest()[:16],
        "file": file_name(stem, "collector"),
        "needs": needs,
        "image": platform_needs.parts(needs.image),
        "pods": pod_parts.pods(environment, configuration, needs.workload),
        "secrets_folder": pod_parts.SECRETS,
        "role_label": pod_parts.ROLE_LABEL,
        "jobs_label": pod_parts.JOBS_LABEL,
        "reachable": platform_needs.reachable(environment),
        "statsd": platform_needs.open_statsd(environment),
        "home": platform_needs.HOME,
        "unit": systemd_unit.unit(environment, configuration, needs),
        "user": systemd_unit.USER,
        "python": systemd_unit.PYTHON,
        "credentials": systemd_unit.CREDENTIALS,
    }
    values["part"] = _parts(found, values)
    return found.get_template(f"{form}.{'service' if form == 'systemd' else 'yaml'}.j2").render(values) + "\n"


def _problems(form: str, needs: Needs, configuration: str) -> list[str]:
    """Return what the platform of a format cannot do."""
    if form == "systemd":
        return systemd_unit.problems(configuration, needs.workload)
    found = [
        f"a file is read in {folder}, and a mount would hide what the image has there; "
        "put the file into a folder of its own, such as /etc/batchtel/ca"
        for folder in needs.hiding
    ]
    size = len(configuration.encode())
    if form in IN_PODS and size > _LARGEST:
        found.append(
            f"the configuration has {size:,} bytes, and an object of Kubernetes holds {_LARGEST:,}; "
            "write unknown_jobs: keep, or a shorter catalogue"
        )
    return found


def _parts(found: Templates, values: dict[str, Any]) -> Callable[[str], str]:
    """Return what renders a part, which several formats have, without the indentation of its place."""

    def part(name: str) -> str:
        return found.get_template(f"parts/{name}.yaml.j2").render(values).rstrip("\n")

    return part


def forms(environment: Environment) -> list[str]:
    """Return the formats that an environment can be rendered in."""
    return [form for form in FORMATS if form not in IN_PODS or platform_needs.reachable(environment)]


def file_name(stem: str, form: str) -> str:
    """Return the name of the file that a format is written to."""
    return f"{stem}.{ENDINGS.get(form, f'{form}.yaml')}"
