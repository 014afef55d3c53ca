"""One environment: everything about a collector that differs between a laptop and a cluster."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from batchtel.command import Failure
from batchtel.signals import NAME_LIMIT
from batchtel_collector import document
from batchtel_collector.complaint import complaint
from batchtel_collector.document import Document, Problem
from batchtel_collector.quantities import Duration, Size

SHIPPED: Final = Path(__file__).parent / "environments"
"""Folder of the environments that come with batchtel, one YAML file each."""

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def host_and_port(text: str) -> str:
    """Return `text` if it is `host:port` (IPv6 in brackets); ValueError says what to write instead."""
    found = re.fullmatch(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})", text)
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise ValueError('is not host:port; write for example "127.0.0.1:4317" with a port from 1 to 65535')
    return text


def _loopback(text: str) -> str:
    if host_and_port(text).rpartition(":")[0].strip("[]") not in LOOPBACK:
        port = text.rpartition(":")[2]
        raise ValueError(f'would be open to other machines without a password; write "127.0.0.1:{port}"')
    return text


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    try:
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        valid = False
    if not valid or not re.fullmatch(r"[!-~]+", text) or "$" in text:
        raise ValueError('is not a web address; write for example "http://127.0.0.1:9090/api/v1/write"')
    if parts.username is not None:
        raise ValueError("has a password in it, which would be printed with the configuration; take it out")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?", text) or len(text) > NAME_LIMIT:
        raise ValueError(
            f'is not a name; write up to {NAME_LIMIT} lower-case letters, digits, - and _, such as "standalone-0"'
        )
    return text


def _label_value(text: str) -> str:
    if not text.strip() or len(text) > NAME_LIMIT or not text.isprintable():
        raise ValueError(f"is not a label value; write 1 to {NAME_LIMIT} printable characters")
    return text


def _folder(text: str) -> str:
    plain = re.sub(r"\$\{env:[A-Za-z_][A-Za-z0-9_]*(:-[^${}]*)?\}", "/variable", text)
    if "$" in plain or not plain.startswith("/") or not plain.isprintable():
        raise ValueError(
            'is not an absolute folder; write for example "/var/lib/batchtel/queue" or "${env:HOME}/queue"'
        )
    return text


Listener = Annotated[str, AfterValidator(_loopback)]
Address = Annotated[str, AfterValidator(host_and_port)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Name = Annotated[str, AfterValidator(_name)]
LabelValue = Annotated[str, AfterValidator(_label_value)]
Folder = Annotated[str, AfterValidator(_folder)]


class _Section(BaseModel):
    """Strict: no unknown key, no number where text belongs; the examples are what an error tells to write."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Listen(_Section):
    """What the collector opens, as host:port; all of it on loopback."""

    otlp_grpc: Listener = Field(examples=["127.0.0.1:4317"])
    otlp_http: Listener = Field(examples=["127.0.0.1:4318"])
    health: Listener = Field(examples=["127.0.0.1:13133"])
    metrics: Listener = Field(examples=["127.0.0.1:8888"])
    series: Listener = Field(examples=["127.0.0.1:8889"])

    @model_validator(mode="after")
    def _each_port_once(self) -> Self:
        seen: dict[str, str] = {}
        for key in type(self).model_fields:
            port = getattr(self, key).rpartition(":")[2]
            if port in seen:
                raise ValueError(f"{key} and {seen[port]} have the same port {port}; give each its own")
            seen[port] = key
        return self


class Prometheus(_Section):
    """Where metrics go."""

    endpoint: WebAddress = Field(examples=["http://127.0.0.1:9090/api/v1/write"])


class Loki(_Section):
    """Where log records go."""

    endpoint: WebAddress = Field(examples=["http://127.0.0.1:3100/otlp"])


class Tempo(_Section):
    """Where spans go."""

    endpoint: Address = Field(examples=["127.0.0.1:4327"])


class Queue(_Section):
    """Where spans and log records wait for their backend: a folder, and bytes for each of the two."""

    folder: Folder = Field(examples=["/var/lib/batchtel/queue"])
    size: Size = Field(examples=["1GiB"])


class Environment(_Section):
    """A whole environment file; `environments/local.yaml` says what each key means."""

    name: Name = Field(examples=["local"])
    role: Literal["standalone"] = Field(examples=["standalone"])
    listen: Listen = Field(examples=['{otlp_grpc: "127.0.0.1:4317", ...}'])
    prometheus: Prometheus = Field(examples=['{endpoint: "http://127.0.0.1:9090/api/v1/write"}'])
    loki: Loki = Field(examples=['{endpoint: "http://127.0.0.1:3100/otlp"}'])
    tempo: Tempo = Field(examples=['{endpoint: "127.0.0.1:4327"}'])
    cadence: Duration = Field(examples=["15s"])
    expiry: Duration = Field(examples=["35d"])
    series_limit: int = Field(ge=1, examples=[50000])
    job_types: list[LabelValue] = Field(examples=["[batch, etl]"])
    unknown_jobs: Literal["keep", "other"] = Field(examples=["keep"])
    jobs: list[LabelValue] = Field(examples=["[]"])
    shard: Name = Field(examples=["standalone-0"])
    queue: Queue = Field(examples=['{folder: "/var/lib/batchtel/queue", size: 1GiB}'])
    memory_limit: Size = Field(examples=["1GiB"])

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        # Prometheus forgets a series 5 minutes after its last sample; two of them have to fit in.
        if self.cadence > timedelta(minutes=2):
            raise ValueError("cadence is longer than 2m, so series would have gaps; write 2m or less")
        # An idle collector takes 95 MiB; below its limit by too little it refuses everything.
        if self.memory_limit < 128 * 2**20:
            raise ValueError("memory_limit is less than 128MiB, so every job would be refused; write 128MiB or more")
        if self.expiry < timedelta(hours=1):
            raise ValueError("expiry is shorter than 1h, so series would end between two runs; write 1h or more")
        return self


class WrongEnvironment(Failure):
    """An environment that cannot be used; `problems` has each thing that is wrong, in the order of the file."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.name = name
        self.problems = sorted(problems, key=lambda problem: problem.place or document.Place(0, 0))
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem.located(name)}" for problem in self.problems)
        super().__init__(f"{count} in the environment {name}{lines}", 2)


def shipped() -> list[str]:
    """Return the names of the environments that come with batchtel."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load(name_or_path: str, overrides: Mapping[str, object] | None = None) -> Environment:
    """Read a shipped environment by name, or a file, with `overrides` (nested like the file) put over it.

    Raises WrongEnvironment, exit code 2, with all problems at once.
    """
    path = _find(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Failure(f"cannot read the environment {path}: {reason}", 2) from None
    return parse(text, path.name if path.parent == SHIPPED else str(path), overrides)


def parse(text: str, name: str, overrides: Mapping[str, object] | None = None) -> Environment:
    """Read the text of an environment file; `name` stands for the file in messages."""
    read = document.read(text)
    document.merge(read, overrides or {})
    problems = list(read.problems)
    if isinstance(read.data, dict):
        known = {problem.path for problem in problems}
        try:
            environment = Environment.model_validate(read.data)
        except ValidationError as error:
            found = [_problem(detail, read) for detail in error.errors()]
            problems += [problem for problem in found if problem.path not in known]
        else:
            if not problems:
                return environment
    elif not problems:
        problems.append(Problem("must be keys and values, such as `cadence: 15s`", place=document.Place(1, 1)))
    raise WrongEnvironment(name, problems)


def _find(name_or_path: str) -> Path:
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    if name_or_path in shipped():
        return SHIPPED / f"{name_or_path}.yaml"
    near = difflib.get_close_matches(name_or_path, shipped(), 1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise Failure(
        f"unknown environment {name_or_path!r}{hint}; shipped: {', '.join(shipped())}; "
        "or give a file, for example ./production.yaml",
        2,
    )


def _problem(detail: Any, read: Document) -> Problem:
    path: tuple[str | int, ...] = detail["loc"]
    message = complaint(detail, Environment)
    of_key = detail["type"] == "extra_forbidden"
    place = read.keys.get(path) if of_key else read.values.get(path)
    while place is None and path and detail["type"] == "missing":
        path = path[:-1]
        place = read.values.get(path)
    return Problem(message, detail["loc"], place)
