"""What a collector needs of a platform: its variables, its files, its volume, its ports and its memory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, NamedTuple

import yaml

from batchtel.version import __version__
from batchtel_collector.environment.document import Path
from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.values import REFERENCE, is_loopback, required_variables
from batchtel_collector.render.parsed_texts import texts

IMAGE: Final = "otel/opentelemetry-collector-contrib:0.159.0"
"""The official image, which has every component of a configuration but run_rollup; its program is otelcol-contrib."""

OWN_IMAGE: Final = f"batchtel-collector:{__version__}"
"""The image with the collector of `batchtel stack build` as /otelcol-batchtel: compose/images/collector.Dockerfile."""

JOB_IMAGE: Final = f"batchtel-job:{__version__}"
"""The image with Python and batchtel, of compose/images/python.Dockerfile: it checks queue files before a start."""

USER: Final = 10001
"""User and group of the collector in both images; no process of a collector needs another one."""

NOT_SECRET: Final = ("BATCHTEL_INSTANCE", "BATCHTEL_BOOT", "HOME")
"""Variables that the platform itself gives: the name of a collector, one value for each start, and a folder."""

HOME: Final = "/var/lib/batchtel"
"""What HOME is in a container, where the image sets none."""

_MEBIBYTE: Final = 2**20

_FILE_KEY: Final = re.compile(r"\w+_file|filename|(client_)?certificate|client_key")
"""Keys of the collector's components whose value is a file with a certificate, a key or a token."""

_AUTHORITY_KEY: Final = re.compile(r"(client_)?ca_file|certificate")
"""Those among them whose file is the certificate of a CA, which everybody may read."""


_OF_IMAGES: Final = re.compile(r"/(etc|etc/(ssl|pki)(/.*)?|usr(/.*)?|bin|lib|tmp|var|opt|home|root|proc|sys|dev)?")
"""Folders that images have, which a mount would hide: the CAs of all other stores, for example."""


@dataclass(frozen=True)
class Needs:
    """What one rendered configuration needs to run.

    Attributes:
        image: image that has all of its components, or that of the environment.
        job_image: image that has `python -m batchtel_stack.queue_files`.
        program: name of the collector in the root folder of the image.
        workload: name of the workload and its service.
        secrets: variables that are referred to without a default and hold secrets, in order.
        folders: folders with certificates and tokens, in order, and the name of the secret that is mounted there.
        queue: folder of the queues.
        disk_mebibytes: room for every queue, full, with the pages of its file, for late log records, and for totals.
        memory_mebibytes: memory of the container: a quarter above the limit at which the collector rejects data.
        replicas: gateways that there are, those that drain with them; 1 of anything else.
    """

    image: str
    job_image: str
    program: str
    workload: str
    secrets: tuple[str, ...]
    folders: dict[str, str]
    queue: str
    disk_mebibytes: int
    memory_mebibytes: int
    replicas: int

    @property
    def hiding(self) -> list[str]:
        """The folders whose mount would hide what the image has there."""
        return [folder for folder in self.folders if _OF_IMAGES.fullmatch(folder)]

    @property
    def claim_gibibytes(self) -> int:
        """The room as a claim asks for it: a multiple of 10 GiB, so that few changes of an environment change it.

        A StatefulSet rejects each change of its claims.
        """
        return -(-self.disk_mebibytes // (10 * 1024)) * 10

    @property
    def go_memory_mebibytes(self) -> int:
        """GOMEMLIMIT: four fifths of the container's memory, where Go begins to collect in earnest."""
        return self.memory_mebibytes * 4 // 5


class Image(NamedTuple):
    """The parts of the name of an image; tag and digest are empty where it has none."""

    name: str
    tag: str
    digest: str


def parts(image: str) -> Image:
    """Return the parts of NAME[:TAG][@DIGEST]; the port of a registry is part of the name."""
    found = re.fullmatch(r"(.+?)(?::([^:/@]+))?(?:@(.+))?", image)
    assert found is not None
    return Image(found[1], found[2] or "", found[3] or "")


def needs(environment: Environment, configuration: str) -> Needs:
    """Return what `configuration`, the rendered text of `environment`, needs."""
    settings = list(texts(yaml.safe_load(configuration)))
    variables = required_variables("\n".join(text for _, text in settings))
    gateways = environment.gateways.addresses if environment.gateways else []
    # An agent has no run_rollup; with one image for all roles, there is one to build, to scan and to push.
    is_own = environment.aggregation == "exact"
    return Needs(
        image=environment.images.collector or (OWN_IMAGE if is_own else IMAGE),
        job_image=environment.images.job or JOB_IMAGE,
        program="otelcol-batchtel" if is_own else "otelcol-contrib",
        workload="batchtel" if environment.role == "standalone" else f"batchtel-{environment.role}",
        secrets=tuple(name for name in variables if name not in NOT_SECRET),
        folders=_folders(settings),
        queue=REFERENCE.sub(_in_a_container, environment.queue.folder),
        disk_mebibytes=2 * _queues(environment) * environment.queue.size // _MEBIBYTE
        + _late_mebibytes(environment)
        + (_totals_mebibytes(environment) if is_own and environment.role != "agent" else 0),
        memory_mebibytes=environment.memory_limit // _MEBIBYTE * 5 // 4,
        replicas=max(1, len(gateways)) if environment.role == "gateway" else 1,
    )


def _queues(environment: Environment) -> int:
    """Return how many queues are on disk: one for each signal of each destination, but for totals, which need none."""
    if environment.role == "agent":
        return 3 * len(environment.gateways.addresses) if environment.gateways else 0
    return len(environment.storing("logs")) + len(environment.storing("traces"))


def _late_mebibytes(environment: Environment) -> int:
    """Return the room for the files of late log records: ten old ones and the one that is written, of 100 MiB each."""
    return 11 * 100 if environment.role == "gateway" and environment.loki else 0


def _totals_mebibytes(environment: Environment) -> int:
    """Return the room for run_rollup: 64 MiB of log and three snapshots, of 0.2 KiB a series and 0.1 KiB a stream."""
    snapshot = environment.series_limit * 205 + environment.writer_streams * 103
    return 64 + 3 * snapshot // _MEBIBYTE + 1


def _in_a_container(reference: re.Match[str]) -> str:
    """Return the value of a variable in a container: HOME's, or the reference's default, or the reference itself."""
    if reference["name"] == "HOME":
        return HOME
    return reference[0] if reference["default"] is None else reference["default"].removeprefix(":-")


def reachable(environment: Environment) -> bool:
    """Return whether other pods or containers reach the OTLP listeners and the probe reaches the health page."""
    listen = environment.listen
    return not any(is_loopback(address) for address in (listen.otlp_grpc, listen.otlp_http, listen.health))


def open_statsd(environment: Environment) -> str | None:
    """Return the StatsD listener where other pods or containers reach it."""
    statsd = environment.listen.statsd
    return None if statsd is None or is_loopback(statsd) else statsd


def _folders(settings: Iterable[tuple[Path, str]]) -> dict[str, str]:
    return {folder: folder.strip("/").removeprefix("etc/").replace("/", "-") for folder in file_folders(settings)}


def file_folders(settings: Iterable[tuple[Path, str]]) -> dict[str, bool]:
    """Return the folders of certificates, keys and tokens, in order, and whether each has nothing but CAs."""
    found: dict[str, bool] = {}
    for path, text in settings:
        if _is_file(path, text):
            folder = str(PurePosixPath(text).parent)
            found[folder] = found.get(folder, True) and bool(_AUTHORITY_KEY.fullmatch(str(path[-1])))
    return found


def file_paths(settings: Iterable[tuple[Path, str]]) -> list[PurePosixPath]:
    """Return the paths of certificates, keys and tokens, in order."""
    return [PurePosixPath(text) for path, text in settings if _is_file(path, text)]


def _is_file(path: Path, text: str) -> bool:
    return bool(_FILE_KEY.fullmatch(str(path[-1]))) and text.startswith("/") and "$" not in text
