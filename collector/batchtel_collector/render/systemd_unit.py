"""What a unit of systemd has for one rendered configuration: program, folders, variables and credentials.

Source: systemd.exec(5) and systemd.service(5) of systemd 252, the oldest that the tests run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import yaml

from batchtel_collector.environment.model import Environment
from batchtel_collector.render.parsed_texts import texts
from batchtel_collector.render.platform_needs import Needs

USER: Final = "batchtel"
"""The user of the collector: a fixed one, as a disk that is mounted on /var/lib/batchtel cannot be a dynamic user's."""

PYTHON: Final = "/opt/batchtel/bin/python"
"""The interpreter of the environment that has the wheel; queues are checked only where it is there."""

CREDENTIALS: Final = "/etc/batchtel/credentials"
"""Folder of files that only root reads, and that systemd copies for the collector when it starts."""

_PROGRAMS: Final = {"exact": "/usr/local/bin/otelcol-batchtel", "stock": "/usr/bin/otelcol-contrib"}
"""Engine -> its collector: what `batchtel stack build` built, or where the official Debian package has its program."""

_RUN: Final = "/run/credentials/"
_NAME: Final = re.compile(r"[\w.-]+", re.ASCII)

_STATES: Final = "/var/lib/"
"""The folder of StateDirectory."""


@dataclass(frozen=True)
class Unit:
    """The lines of a unit that depend on its environment.

    Attributes:
        name: name of the unit, and of its files in /etc/batchtel.
        program: path of the collector.
        state: folder below /var/lib that systemd creates for the user; None where the queue is elsewhere.
        has_boot: each start has to have a label of its own.
        has_instance: the host's name is the label of this collector.
        secrets: variables that a file has to set.
        credentials: names of the files that are read from the folder of the unit's credentials.
        has_low_port: a listener needs a capability, as its port is below 1024.
    """

    name: str
    program: str
    state: str | None
    has_boot: bool
    has_instance: bool
    secrets: tuple[str, ...]
    credentials: tuple[str, ...]
    has_low_port: bool


def unit(environment: Environment, configuration: str, needs: Needs) -> Unit:
    """Return what the unit of `configuration`, the rendered text of `environment`, has."""
    # In a StateDirectory a colon separates the folder from a link to it.
    inside = PurePosixPath(needs.queue).is_relative_to(_STATES) and ":" not in needs.queue
    listen = environment.listen
    return Unit(
        name=needs.workload,
        program=_PROGRAMS[environment.aggregation],
        state=str(PurePosixPath(needs.queue).relative_to(_STATES)) if inside else None,
        has_boot="${env:BATCHTEL_BOOT" in configuration,
        has_instance="${env:BATCHTEL_INSTANCE" in configuration,
        secrets=tuple(name for name in needs.secrets if not name.startswith(("BATCHTEL_BOOT", "BATCHTEL_INSTANCE"))),
        credentials=tuple(name for name in _credentials(configuration, needs.workload) if _NAME.fullmatch(name)),
        has_low_port=any(
            int(address.rpartition(":")[2]) < 1024
            for address in (listen.otlp_grpc, listen.otlp_http, listen.health, listen.statsd)
            if address
        ),
    )


def problems(configuration: str, workload: str) -> list[str]:
    """Return what systemd cannot give to the unit of a workload: credentials of another unit, or with odd names."""
    folder = f"{_RUN}{workload}.service/"
    return [
        f"{_RUN}{path} is a credential of another unit; write {folder}{PurePosixPath(path).name}"
        for path in _under(configuration, _RUN)
        if not f"{_RUN}{path}".startswith(folder)
    ] + [
        f"{folder}{name} is no credential that systemd can load; write a name of letters, digits, ., _ and -"
        for name in _credentials(configuration, workload)
        if not _NAME.fullmatch(name)
    ]


def _credentials(configuration: str, workload: str) -> list[str]:
    return _under(configuration, f"{_RUN}{workload}.service/")


def _under(configuration: str, folder: str) -> list[str]:
    """Return the rest of each value that begins with a folder, each once."""
    found = (text for _, text in texts(yaml.safe_load(configuration)) if text.startswith(folder))
    return list(dict.fromkeys(text.removeprefix(folder) for text in found))
