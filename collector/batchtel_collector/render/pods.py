"""What the pods of a collector read and reach: secrets by file, certificates, fields of the pod, ports of others.

Each variable that holds a secret has a Secret of its own, so that a pod gets those that its role refers to: the token
of the stores is on no node that runs agents only. CAs are in ConfigMaps, apart from private keys.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from batchtel_collector.environment.destinations import Destination
from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.values import REFERENCE, is_loopback, required_variables
from batchtel_collector.render.parsed_texts import texts
from batchtel_collector.render.platform_needs import NOT_SECRET, USER, file_folders, file_paths

SECRETS: Final = "/etc/batchtel/secrets"
"""Folder of the tokens in a pod, one file each with the name of its variable: a Secret that changes is read again."""

ROLE_LABEL: Final = "batchtel/role"
"""Label of the pods of collectors, by which the network policies of other roles find them."""

JOBS_LABEL: Final = "batchtel/jobs"
"""Label of the namespaces whose pods may send, with the value true."""

_GATEWAY_POD: Final = re.compile(r"batchtel-gateway-\d+\.batchtel-gateway(\.[a-z0-9.-]+)?")
"""Names of gateways within the cluster: those of the StatefulSet that these manifests have."""


@dataclass(frozen=True)
class Pods:
    """What the manifests of one role have beside its configuration.

    Attributes:
        secret_files: variable -> Secret whose key of that name is a file in SECRETS.
        secret_variables: variable -> Secret, for what the collector cannot read from a file, such as headers.
        certificates: folder -> Secret with a certificate and its key.
        authorities: folder -> ConfigMap with the certificate of a CA.
        from_the_pod: variable -> field of the pod. The name of a node, or of a pod of a StatefulSet, stays.
        files: names of the files that the collector reads in each of these folders.
        instance: the environment's name as the value of a label, which has 63 characters at most.
        priority: name of the PriorityClass, which belongs to the whole cluster.
        ports: ports of destinations outside the cluster, in order.
        gateway_ports: ports of gateways that these manifests have made, in order.
    """

    secret_files: dict[str, str]
    secret_variables: dict[str, str]
    certificates: dict[str, str]
    authorities: dict[str, str]
    from_the_pod: dict[str, str]
    files: dict[str, list[str]]
    instance: str
    priority: str
    ports: tuple[int, ...]
    gateway_ports: tuple[int, ...]

    @property
    def user(self) -> int:
        """User and group of the collector."""
        return USER

    def from_files(self, folder: str) -> str:
        """Return the options of kubectl by which a Secret or ConfigMap has the files of a folder."""
        return "".join(f" --from-file={name}=FILE" for name in self.files[folder])


def with_token_files(environment: Environment) -> Environment:
    """Return the environment with a file of SECRETS for each token that is a variable without a default.

    A token in a file is read again when its Secret changes; a variable is read when the collector starts, and everyone
    who may describe the process sees it.
    """
    found: dict[str, Any] = {"token": _file(environment.token)}
    for key in type(environment).model_fields:
        destination = getattr(environment, key)
        if isinstance(destination, Destination):
            found[key] = destination.model_copy(update={"token": _file(destination.token)})
    return environment.model_copy(update=found)


def _file(token: str | None) -> str | None:
    reference = REFERENCE.fullmatch(token or "")
    return f"{SECRETS}/{reference['name']}" if reference and reference["default"] is None else token


def pods(environment: Environment, configuration: str, workload: str) -> Pods:
    """Return what the pods of `configuration`, rendered with token files, need."""
    settings = list(texts(yaml.safe_load(configuration)))
    variables = required_variables("\n".join(text for _, text in settings))
    files = [PurePosixPath(text) for path, text in settings if path[-1] == "filename"]
    tls = str(PurePosixPath(environment.tls.certificate).parent) if environment.tls else ""
    folders = {folder: only for folder, only in file_folders(settings).items() if folder != SECRETS}
    addresses = list(dict.fromkeys(_addresses(settings)))
    in_cluster = [port for host, port in addresses if _GATEWAY_POD.fullmatch(host)]
    return Pods(
        secret_files={file.name: secret_name(file.name) for file in files if str(file.parent) == SECRETS},
        secret_variables={name: secret_name(name) for name in variables if name not in NOT_SECRET},
        certificates={
            folder: f"{workload}-tls" if folder == tls else folder_name(folder)
            for folder, only_authorities in folders.items()
            if not only_authorities
        },
        authorities={folder: folder_name(folder) for folder, only_authorities in folders.items() if only_authorities},
        from_the_pod={
            name: field
            for name, field in (
                ("BATCHTEL_INSTANCE", "spec.nodeName" if environment.role == "agent" else "metadata.name"),
                ("BATCHTEL_BOOT", "metadata.uid"),
            )
            if name in configuration
        },
        files={folder: names for folder, names in _files(settings).items() if folder in folders},
        instance=_label_value(environment.name),
        priority=f"{workload}-{_label_value(environment.name)}".replace("_", "-"),
        ports=tuple(dict.fromkeys(port for host, port in addresses if not _GATEWAY_POD.fullmatch(host))),
        gateway_ports=tuple(dict.fromkeys(in_cluster)),
    )


def _files(settings: list[tuple[tuple[Any, ...], str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in file_paths(settings):
        names = found.setdefault(str(path.parent), [])
        if path.name not in names:
            names.append(path.name)
    return found


def secret_name(variable: str) -> str:
    """Return the name of the Secret of a variable: batchtel-token of BATCHTEL_TOKEN, which is its only key."""
    return variable.lower().replace("_", "-").strip("-")


def _label_value(name: str) -> str:
    """Return a name, or the beginning of a long one with a hash of the whole, so that two of them stay apart."""
    return name if len(name) <= 63 else f"{name[:54]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def folder_name(folder: str) -> str:
    """Return the name of the Secret or ConfigMap that is mounted at a folder: batchtel-ca of /etc/batchtel/ca."""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower().strip("/").removeprefix("etc/")).strip("-")


def _addresses(settings: list[tuple[tuple[Any, ...], str]]) -> Iterator[tuple[str, int]]:
    """Yield host and port of everything that the collector sends to, but on its own loopback."""
    for path, text in settings:
        sends = path[0] == "exporters" or path[:2] == ("service", "telemetry")
        if not sends or path[-1] != "endpoint" or "$" in text or is_loopback(text):
            continue
        parts = urlsplit(text if "://" in text else f"//{text}")
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        if parts.hostname and port:
            yield parts.hostname, port
