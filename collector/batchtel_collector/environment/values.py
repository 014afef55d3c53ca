"""The texts that an environment file is made of: addresses, names, folders, references to secrets.

Each type validates its text; the message has what to write instead. Its JSON schema is what editors show.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, WithJsonSchema

from batchtel.schema.limits import NAME_LIMIT

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
"""Hosts that only this machine reaches."""

REFERENCE: Final = re.compile(r"\$\{env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^${}]*)?\}")
"""A variable that the collector reads when it starts."""

NEVER_LABELS: Final = {
    **dict.fromkeys(
        ("job", "instance", "boot", "le", "quantile", "bucket_layout", "otel_metric_overflow"),
        "belongs to the pipeline",
    ),
    **dict.fromkeys(
        ("run_id", "dag_run_id", "trace_id", "span_id", "attempt", "pod", "host", "hostname", "pid"),
        "is another one for each run, and would make an unbounded number of series",
    ),
}
"""Names that no label of a user's may have, and why."""

_SENSITIVE: Final = re.compile(r"authorization|token|secret|password|passwd|api.?key|cookie|credential", re.IGNORECASE)


def is_loopback(address: str) -> bool:
    """Return whether `host:port` or a web address can be reached from this machine only."""
    host = urlsplit(address).hostname if "://" in address else address.rpartition(":")[0].strip("[]")
    return host in LOOPBACK


def has_reference(text: str) -> bool:
    """Return whether the text has a `${env:NAME}` in it."""
    return REFERENCE.search(text) is not None


def required_variables(text: str) -> list[str]:
    """Return the names of the variables that the text refers to without a default, each once."""
    return list(dict.fromkeys(found["name"] for found in REFERENCE.finditer(text) if found["default"] is None))


def is_sensitive(key: str) -> bool:
    """Return whether a header or setting of this name holds a credential."""
    return _SENSITIVE.search(key) is not None


def host_and_port(text: str) -> str:
    """Return `text` if it is `host:port` (IPv6 in brackets); ValueError has what to write instead."""
    found = re.fullmatch(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})", text)
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise ValueError('is not host:port; write for example "127.0.0.1:4317" with a port from 1 to 65535')
    return text


def _loopback(text: str) -> str:
    if not is_loopback(host_and_port(text)):
        port = text.rpartition(":")[2]
        raise ValueError(f'would be open to other machines without a password; write "127.0.0.1:{port}"')
    return text


def _web_address(text: str) -> str:
    parts, query = urlsplit(text), urlsplit(text).query
    try:
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not query
    except ValueError:
        valid = False
    if not valid or not re.fullmatch(r"[!-~]+", text) or "$" in text:
        raise ValueError("has a query, which no destination can have; remove it" if query else "is not a web address")
    if parts.username is not None:
        raise ValueError("has a password in it, which would be printed with the configuration; remove it")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?", text) or len(text) > NAME_LIMIT:
        raise ValueError(
            f'is not a name; write up to {NAME_LIMIT} lower-case letters, digits, - and _, such as "standalone-0"'
        )
    return text


def _instance(text: str) -> str:
    return text if REFERENCE.fullmatch(text) else _name(text)


def _label_value(text: str) -> str:
    if not text.strip() or len(text) > NAME_LIMIT or not text.isprintable():
        raise ValueError(f"is not a label value; write 1 to {NAME_LIMIT} printable characters")
    return text


def _label_name(text: str) -> str:
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]*", text) or len(text) > NAME_LIMIT:
        raise ValueError('is not the name of a label; write letters, digits and _, such as "region"')
    if reason := NEVER_LABELS.get(text):
        raise ValueError(f"cannot be a label, because it {reason}; remove it")
    return text


def _metric_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]{0,254}", text):
        raise ValueError('is not the name of a metric; write it as the job does, such as "shop.orders"')
    return text


def _path(text: str) -> str:
    plain = REFERENCE.sub("/variable", text)
    if "$" in plain or not plain.startswith("/") or not plain.isprintable():
        raise ValueError("is not an absolute path")
    return text


def _folder(text: str) -> str:
    try:
        return _path(text)
    except ValueError:
        raise ValueError("is not an absolute folder") from None


def _file(text: str) -> str:
    try:
        return _path(text)
    except ValueError:
        raise ValueError("is not the absolute path of a file") from None


def _secret(text: str) -> str:
    if REFERENCE.fullmatch(text) or (text.startswith("/") and text.isprintable() and "$" not in text):
        return text
    # The message is printed, so it may not repeat what could be the secret itself.
    raise ValueError('is not a reference to a secret; write "${env:NAME}", or the path of a file that holds it')


def _variable(text: str) -> str:
    if re.fullmatch(r"\$\{env:[A-Za-z_][A-Za-z0-9_]*\}", text):
        return text
    raise ValueError('is not a reference to a variable; write "${env:NAME}"')


def _image(text: str) -> str:
    # The grammar of github.com/distribution/reference: NAME[:TAG][@DIGEST].
    if not re.fullmatch(r"[a-z0-9][a-zA-Z0-9._:/-]*[a-zA-Z0-9](@sha256:[0-9a-f]{64})?", text):
        raise ValueError('is not the name of an image; write for example "registry.example.com/batchtel-job:0.1.0"')
    return text


def _header_name(text: str) -> str:
    # RFC 9110, section 5.1: a field name is a token.
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", text) or "$" in text:
        raise ValueError('is not the name of a header; write letters, digits and -, such as "X-Scope-OrgID"')
    return text


def _header_value(text: str) -> str:
    plain = REFERENCE.sub("", text)
    if "$" in plain or not text or not text.isprintable():
        raise ValueError('is not the value of a header; write printable text, and secrets as "${env:NAME}"')
    return text


def _described(description: str, pattern: str | None = None) -> Any:
    schema: dict[str, Any] = {"type": "string", "description": description}
    return WithJsonSchema(schema | ({"pattern": pattern} if pattern else {}))


Listener = Annotated[str, AfterValidator(_loopback), _described("host:port on loopback", r":[0-9]{1,5}$")]
Address = Annotated[str, AfterValidator(host_and_port), _described("host:port", r":[0-9]{1,5}$")]
WebAddress = Annotated[str, AfterValidator(_web_address), _described("http:// or https:// address", "^https?://")]
Name = Annotated[
    str, AfterValidator(_name), _described("lower-case letters, digits, - and _", "^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$")
]
Instance = Annotated[str, AfterValidator(_instance), _described("a name, or ${env:NAME}")]
LabelValue = Annotated[str, AfterValidator(_label_value), _described("printable characters", r"\S")]
LabelName = Annotated[str, AfterValidator(_label_name), _described("letters, digits and _", "^[a-zA-Z][a-zA-Z0-9_]*$")]
MetricName = Annotated[str, AfterValidator(_metric_name), _described("name of a metric as the job writes it")]
Folder = Annotated[str, AfterValidator(_folder), _described("absolute folder; may hold ${env:NAME}", r"^(/|\$\{env:)")]
File = Annotated[str, AfterValidator(_file), _described("absolute path; may hold ${env:NAME}", r"^(/|\$\{env:)")]
Secret = Annotated[
    str, AfterValidator(_secret), _described("${env:NAME}, or the path of a file with the secret", r"^(/|\$\{env:)")
]
Variable = Annotated[str, AfterValidator(_variable), _described("${env:NAME}", r"^\$\{env:[A-Za-z_][A-Za-z0-9_]*\}$")]
Image = Annotated[str, AfterValidator(_image), _described("NAME:TAG or NAME@sha256:DIGEST", "^[a-z0-9]")]
HeaderName = Annotated[str, AfterValidator(_header_name), _described("name of a header", "^[^ :]+$")]
HeaderValue = Annotated[str, AfterValidator(_header_value), _described("text; secrets as ${env:NAME}")]
