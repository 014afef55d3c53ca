"""Credentials are taken out of everything before it leaves the process.

Out of text by their shape, out of attributes by their key too. What is replaced is the secret alone: a reader still
sees which user, host, header or setting it belonged to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final

REDACTED: Final = "[redacted]"

_NAMES: Final = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|api[_-]?key|access[_-]?key(?:[_-]?id)?|account[_-]?key"
    r"|private[_-]?key|secret[_-]?key|auth(?:orization)?|cookie|session[_-]?id|sig(?:nature)?"
)
_HINTS: Final = ("pass", "pwd", "secret", "token", "credential", "key", "auth", "cookie", "session", "sig")
_VALUE: Final = r"""(?:(?:bearer|basic|digest|token)\s+)?(?:"[^"]*"|'[^']*'|[^\s"'&,;)}\]]+)"""


_SHORT: Final = 64
"""Characters of texts whose clean form is kept: names, ids and paths come again with each record of a run."""

# Each rule: text that has to be there, in lower case, for the pattern to be worth its price (many times that of the
# search for the text); then the pattern, whose first group stays.
_RULES: Final = (
    (("private",), r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    # The end of one whose beginning was cut off.
    (("truncated]",), r"(\[truncated\]\.\.\.)[A-Za-z0-9+/=\s]*-----END [A-Z ]*PRIVATE KEY-----"),
    # scheme://user:password@host, where the password may hold an @ of its own.
    (("://",), r"(://[^\s/:@]*:)[^\s/]+(?=@)"),
    # name=value, name: value, "name": "value"; the name may be the end of one, as in DB_PASSWORD.
    (
        _HINTS,
        rf"""((?:{_NAMES})["']?\s*(?:=>?|:(?!//))\s*){_VALUE}""",
    ),
    (("--",), rf"""(--[a-z0-9-]*(?:{_NAMES})\s+)(?:"[^"]*"|'[^']*'|[^\s"'-][^\s"']*)"""),
    (("bearer",), r"(\bbearer\s+)[A-Za-z0-9._~+/=-]{12,}"),
    (("basic",), r"(\bbasic\s+)(?:[A-Za-z0-9+/]{6,}={1,2}|[A-Za-z0-9+/]{20,})"),
    # Tokens that tell by themselves what they are: of JSON Web Tokens, AWS, Google, GitHub, GitLab, Slack, Stripe, npm,
    # PyPI, SendGrid, Databricks, Vault, Hugging Face.
    (("eyj",), r"(\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    (("akia", "asia"), r"(\b)A(?:KIA|SIA)[A-Z0-9]{16}"),
    (("aiza", "ya29."), r"(\b)(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,})"),
    (("gh", "github_pat_"), r"(\b)(?:gh[opsur]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    (("glpat-", "xox", "k_live_", "npm_"), r"(\b)(?:glpat-|xox[abeoprs]-|[rs]k_live_|npm_)[A-Za-z0-9_-]{10,}"),
    (("pypi-", "sg."), r"(\b)(?:pypi-[A-Za-z0-9_-]{50,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})"),
    (("dapi", "hvs.", "hf_"), r"(\b)(?:dapi[0-9a-f]{32}|hvs\.[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,})"),
    (("hooks.slack.com",), r"(hooks\.slack\.com/services/)[\w/]+"),
)
# The name is a word of its own, in snake_case, kebab-case or camelCase: `monkey` and `bypass` are no secrets.
_KEY: Final = rf"(?:^|[._-]|(?-i:(?<=[a-z0-9])(?=[A-Z])))(?:{_NAMES})$"
_KEY_BEGINS: Final = r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?!.*-----END )"
_KEY_GOES_ON: Final = r"\s*(?:[A-Za-z0-9+/=]*|(?:Proc-Type|DEK-Info|Comment): .*)\s*"


class Redaction:
    """Takes secrets out of text and attributes.

    Args:
        own: A regular expression of the user's: what its first group matches is replaced too, or all where it has none.

    Raises:
        re.error: `own` is no regular expression.
    """

    def __init__(self, own: str = "") -> None:
        self._own = re.compile(own) if own else None
        self._known = lru_cache(maxsize=256)(self._clean)

    def text(self, text: str) -> str:
        """Return `text` without its secrets."""
        return self._known(text) if len(text) <= _SHORT else self._clean(text)

    def _clean(self, text: str) -> str:
        lower = text.lower()
        for hints, pattern in _RULES:
            for hint in hints:
                if hint in lower:
                    text = _compiled(pattern).sub(rf"\g<1>{REDACTED}", text)
                    break
        return text if self._own is None else self._own.sub(_replace_own, text)

    def value(self, key: str, value: Any) -> Any:
        """Return an attribute value without its secrets; where the key says so, all of it is one."""
        if _is_secret(key):
            return REDACTED
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if isinstance(value, list | tuple):
            return self._items(value)
        if isinstance(value, Mapping):
            return {name: self.value(str(name), item) for name, item in value.items()}
        return value

    def _items(self, values: Sequence[Any]) -> list[Any]:
        """Return the items without secrets; of a command line's arguments also what follows `--password`."""
        clean, before = [], None
        for item in values:
            secret = isinstance(before, str) and before.startswith("-") and _is_secret(before)
            clean.append(REDACTED if secret else self.value("", item))
            before = item
        return clean

    def attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return attributes without their secrets."""
        return {key: self.value(key, value) for key, value in attributes.items()}


class KeyLines:
    """Takes private keys out of text that comes line by line, where no line but the first tells what it is part of."""

    def __init__(self) -> None:
        self._within = False

    def line(self, line: str) -> str:
        """Return the next line, without what is of a private key."""
        if self._within and _compiled(_KEY_GOES_ON).fullmatch(line):
            return REDACTED
        self._within = _compiled(_KEY_BEGINS).search(line) is not None
        return line


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # At the first hit: compiling all of them costs a short job 4 % of its instructions.
    return re.compile(pattern, re.IGNORECASE)


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    lower = key.lower()
    if not any(hint in lower for hint in _HINTS):
        return False
    return _compiled(_KEY).search(key) is not None


def _replace_own(found: re.Match[str]) -> str:
    if found.re.groups == 0 or found[1] is None:
        return REDACTED
    start, end = found.span(1)
    return found[0][: start - found.start()] + REDACTED + found[0][end - found.start() :]
