"""Secrets in a rendered configuration, where only references to them may be."""

from __future__ import annotations

from typing import Final

import yaml

from batchtel.redact.patterns import Redaction
from batchtel_collector.environment.document import Path, Problem, dotted
from batchtel_collector.environment.values import REFERENCE, is_sensitive
from batchtel_collector.render.parsed_texts import texts

_REDACTION: Final = Redaction()


def secrets_in(text: str) -> list[Problem]:
    """Return a problem for each setting that holds a secret, by its name or by its shape; none repeats the secret."""
    return [
        Problem(f'{dotted(path)} holds what looks like a secret; write "${{env:NAME}}" in its place', path)
        for path, value in texts(yaml.safe_load(text))
        if _is_secret(path, REFERENCE.sub("", value), value)
    ]


def _is_secret(path: Path, bare: str, whole: str) -> bool:
    if _REDACTION.text(bare) != bare:
        return True
    # A scheme such as Bearer stands before the reference; a path is that of the file with the secret.
    named = is_sensitive(str(path[-1])) and not whole.startswith("/")
    return named and bare == whole and bool(bare.strip())
