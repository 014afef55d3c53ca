"""Secrets that are recognised by their own shape: private keys, passwords in URLs, tokens.

Every pattern is linear, as in `secret_names`: what may be long is consumed at once, or cannot start within itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

_BEGIN: Final = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_END: Final = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"

Replace = Callable[[re.Match[str], str], str]


def _after_first(found: re.Match[str], by: str) -> str:
    return found[1] + by


def _token(found: re.Match[str], by: str) -> str:
    """Replace a token, but not a word of prose: `bearer authentication`."""
    value = found[2]
    return found[0] if value.isalpha() and value.islower() and len(value) < 20 else found[1] + by


def _web_token(found: re.Match[str], by: str) -> str:
    """Replace a JSON Web Token in a run of segments with dots between them, which may hold something before it."""
    segments = found[0].split(".")
    for number, segment in enumerate(segments[:-1]):
        start = _compiled(r"(?:^|-)(?=eyJ[\w-]{8})").search(segment)
        if start is not None and len(segments[number + 1]) >= 8:
            return ".".join((*segments[:number], segment[: start.end()] + by))
    return found[0]


_GITHUB: Final = ("ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_")

# Each rule: text of which one has to be there, in lower case, for the pattern to be worth its price (many times that
# of the search for the text); the pattern; and what becomes of a match.
_RULES: Final[tuple[tuple[tuple[str, ...], str, Replace], ...]] = (
    (("private",), rf"({_BEGIN})[\s\S]*?(?:{_END}|\Z)", _after_first),
    # The end of one whose beginning was cut off.
    (("truncated]",), rf"(\[truncated\]\.\.\.)[A-Za-z0-9+/=\s]*+{_END}", _after_first),
    # scheme://user:password@host, where the password may hold an @ of its own.
    (("://",), r"(://[^\s/:@]*+:)[^\s/]+(?=@)", _after_first),
    (("bearer",), r"(\bbearer\s++)([A-Za-z0-9._~+/=-]{12,}+)", _token),
    (("basic",), r"(\bbasic\s++)(?:[A-Za-z0-9+/]{6,}+={1,2}|[A-Za-z0-9+/]{20,}+)", _after_first),
    # JSON Web Tokens; then those of AWS, Google, GitHub, GitLab, Slack, Stripe, npm, PyPI, SendGrid, Databricks, Vault,
    # Hugging Face.
    (("eyj",), r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)++", _web_token),
    (("akia", "asia"), r"(\b)(?-i:A(?:KIA|SIA)[A-Z0-9]{16})", _after_first),
    (("aiza", "ya29."), r"(\b)(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}+)", _after_first),
    (_GITHUB, r"(\b)(?:gh[opsur]_[A-Za-z0-9]{30,}+|github_pat_[A-Za-z0-9_]{30,}+)", _after_first),
    (("glpat-", "xox", "k_live_", "npm_"), r"(\b)(?:glpat-|xox[abeoprs]-|[rs]k_live_|npm_)[\w-]{10,}+", _after_first),
    (("sk-",), r"(\b)sk-(?:(?:ant|proj)-[\w-]{20,}+|[A-Za-z0-9]{32,}+)", _after_first),
    (("pypi-", "sg."), r"(\b)(?:pypi-[\w-]{50,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+)", _after_first),
    (("dapi", "hvs.", "hf_"), r"(\b)(?:dapi[0-9a-f]{32}|hvs\.[\w-]{20,}+|hf_[A-Za-z0-9]{30,}+)", _after_first),
    (("hooks.slack.com",), r"(hooks\.slack\.com/services/)[\w/]++", _after_first),
)
_KEY_GOES_ON: Final = r"\s*+(?:[A-Za-z0-9+/=]*+|(?:Proc-Type|DEK-Info|Comment|Version): .*+)\s*+"


def replaced(text: str, lower: str, by: str) -> str:
    """Return `text` with each secret replaced by `by`; `lower` is the text in lower case."""
    for hints, pattern, replace in _RULES:
        # A loop, not any(): nearly every text is looked through for nothing, and a generator costs more than the look.
        for hint in hints:
            if hint in lower:
                text = _sub(pattern, replace, by, text)
                break
    return text


def _sub(pattern: str, replace: Replace, by: str, text: str) -> str:
    return _compiled(pattern).sub(lambda found: replace(found, by), text)


class KeyLines:
    """Replaces private keys in text that comes line by line; only the first line shows that it begins one."""

    def __init__(self, by: str) -> None:
        self._by = by
        self._within = False

    def line(self, line: str) -> str:
        """Return the next line, without what is of a private key."""
        if self._within and _compiled(_KEY_GOES_ON).fullmatch(line):
            return self._by
        begins = [found.end() for found in _compiled(_BEGIN).finditer(line)]
        self._within = bool(begins) and "-----end " not in line[begins[-1] :].lower()
        return line


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # At the first hit: compiling all of them costs a short job 4 % of its instructions.
    return re.compile(pattern, re.IGNORECASE)
