"""Secrets that are recognised by the name beside them: `password=...`, `"token": "..."`, `--api-key ...`, `<secret>`.

Every pattern here is linear: an identifier is scanned once, from its start, by possessive quantifiers. A pattern that
could start anywhere within a run of dashes took 4.3 s for 8,000 of them, with the GIL held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final, Literal

Level = Literal["", "weak", "strong"]

HINTS: Final = ("pass", "pwd", "pw", "secret", "token", "credential", "key", "auth", "cookie", "session", "sig")
"""Text of which at least one, in lower case, is in every name of a secret."""

_NAME_LENGTH: Final = 80
"""Characters of a name that are looked at, its last."""

_LONGEST_PLAIN: Final = 64
"""Characters of a value that can be plain. What is plain is looked through again for other names; a long one would make
that quadratic."""

_BOUNDARY: Final = r"(?:^|[._-]|(?-i:(?<=[a-z0-9])(?=[A-Z])))"
_STRONG: Final = (
    r"(?:passw(?:or)?d|passphrase|passcode|secret(?:[_-]?string)?"
    r"|(?:api|access|account|private|secret|encryption|signing|master)[_-]?key|access[_-]?key[_-]?id"
    rf"|{_BOUNDARY}(?:pwd|pw|sshpass))$"
)
# Also in prose and beside counters: `pass=12 fail=3`, `auth: ok`, `token: 5 tokens left`.
_WEAK: Final = rf"(?:token|cookie|credentials?|session[_-]?id|{_BOUNDARY}(?:pass|o?auth|authorization|sig(?:nature)?))$"
_PLAIN: Final = frozenset(
    """
    absent accepted anonymous authenticated basic bearer cached closed completed created default denied digest disabled
    done empty enabled error expired fail failed failure forbidden found granted incomplete invalid jwt kerberos ldap
    loaded mismatch missing no none oauth oauth2 off ok okay on open opened passed passing pending present ready
    refreshed rejected renewed required revoked saml set skipped succeeded success successful timeout unauthenticated
    unauthorized unchanged unknown unset unverified valid verified yes
    """.split()  # noqa: SIM905  # as text it fits on five lines
)
_NOTHING: Final = frozenset(("", "none", "null", "nil", "true", "false", "undefined", "[redacted]"))
_NUMBER: Final = r"[+-]?\d{1,5}+(?:[.,]\d{1,5}+)*+(?:/\d{1,7}+)?(?:%|ms|s|m|h|min)?"
_PATH: Final = r"(?:/|~|\.{1,2}(?:[\\/]|$)|[a-z]:[\\/])"
# What closes a value is a part of it where neither the end, nor another sign of this kind, nor another name follows.
_BARE: Final = r"""(?:[^\s"'&,;)}\]]|["'&,;)}\]](?!\s|$|["'&,;:)}\]]|[\w.-]{1,64}+["']?[ \t]{0,8}[=:]))++"""
_SCHEME: Final = r"(?:bearer|basic|token|negotiate|apikey|ntlm)[ \t]++"
_PARAMETERS: Final = r"(?:digest|hmac|signature|aws4-hmac-sha256|oauth)[ \t]++(?=[\w-]++[ \t]*+=)"
_QUOTE: Final = r"""[bruf]{0,2}(\\*+)(["'])"""
# A whole identifier, then what stands between a name and its value; or a flag and its argument.
_NAMED: Final = (
    r"""(?<![\w.-])([\w.-]++)"""
    r"""(\\*+["']?+[ \t]*+(?:={1,3}>?|:=|:(?![/:]))(?:\s*+(?=[bruf]{0,2}\\*["'])|[ \t]*+)|[ \t]++(?=[^\s-]))"""
)
_ELEMENT: Final = r"<([\w:.-]++)(?:\s[^<>]*+)?+>([^<]++)(?=</)"
_GOES_ON: Final = r"[.,;!]?[ \t]++(?!\w++[=:])[\w(]"
_COUNTS: Final = r"[\s,;|/(]++\d*+\s?+(?:fail|skip|error|warn|total|xfail)"


def has_hint(lower: str) -> bool:
    """Whether `lower`, text in lower case, may name a secret."""
    for hint in HINTS:  # noqa: SIM110  # any() costs three times as much, for nearly every text in vain
        if hint in lower:
            return True
    return False


def level_of(name: str) -> Level:
    """Return whether a name is that of a secret: always (`strong`), or where its value may be one (`weak`)."""
    return _level_of(name[-_NAME_LENGTH:])


@lru_cache(maxsize=1024)
def _level_of(name: str) -> Level:
    lower = name.lower()
    if not has_hint(lower):
        return ""
    if _compiled(_STRONG).search(name):
        return "strong"
    return "weak" if _compiled(_WEAK).search(name) else ""


def is_plain(name: str, value: str) -> bool:
    """Whether `value` is no secret although `name` is that of one: nothing, a small number, a status, a folder."""
    if name.lower() == "pwd" and _compiled(_PATH).match(value):
        return True
    if len(value) > _LONGEST_PLAIN:
        return False
    lower = value.lower()
    if lower in _NOTHING or not lower.strip("*"):
        return True
    if level_of(name) != "weak":
        return False
    if name.lower().endswith(("sig", "signature")) and (value.startswith("SIG") or "(" in value):
        return True
    return lower.rstrip(".,;!") in _PLAIN or _compiled(_NUMBER).fullmatch(value) is not None


def replaced(text: str, by: str) -> str:
    """Return `text` with each value whose name is that of a secret replaced by `by`."""
    if "</" in text:
        text = _compiled(_ELEMENT).sub(lambda found: _element(found, by), text)
    return _spliced(text, by, _spans(text))


def _spliced(text: str, by: str, spans: Iterator[tuple[int, int]]) -> str:
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        pieces += (text[done:start], by)
        done = end
    return "".join((*pieces, text[done:])) if pieces else text


def _spans(text: str) -> Iterator[tuple[int, int]]:
    done = 0
    for found in _compiled(_NAMED).finditer(text):
        if found.start() < done or not (level := level_of(found[1])):
            continue
        if found[2].isspace() and not _has_argument(found[1], level):
            continue
        if _is_folder(text, found):
            continue
        end, inner = _value(text, found.end(), found[1])
        if inner and not _is_plain_here(text, found, end, inner):
            yield found.end(), end
            done = end


def _is_folder(text: str, found: re.Match[str]) -> bool:
    """Whether this is the PWD of a shell, not of a connection string."""
    is_own = found[1].lower() == "pwd" and text[max(0, found.start() - 1) : found.start()] != ";"
    return is_own and _compiled(_PATH).match(text, found.end()) is not None


def _has_argument(flag: str, level: Level) -> bool:
    return flag.startswith("-") and not flag.startswith("--no-") and (flag.startswith("--") or level == "strong")


def _value(text: str, start: int, name: str) -> tuple[int, str]:
    """Return where the value that starts at `start` ends, and it without its quotes and the scheme before it."""
    quote = _compiled(_QUOTE).match(text, start)
    if quote is not None:
        # An open quote, of a text that was cut, goes on to the end of its line.
        within = _within(quote[1], quote[2]).match(text, quote.end())
        end = within.end() if within is not None else quote.end()
        inner = text[quote.end() : end]
        closing = quote[1] + quote[2]
        return end + len(closing) * text.startswith(closing, end), inner
    if _compiled(_PARAMETERS).match(text, start) or name.lower() == "cookie":
        line = _compiled(r"[^\r\n]++").match(text, start)
        return (line.end(), line[0]) if line is not None else (start, "")
    scheme = _compiled(_SCHEME).match(text, start)
    begin = scheme.end() if scheme is not None else start
    bare = _compiled(_BARE).match(text, begin)
    return (bare.end(), bare[0]) if bare is not None else (start, "")


@cache
def _within(escape: str, quote: str) -> re.Pattern[str]:
    if escape:
        # JSON within JSON: the quote is written with as many backslashes as the one that opened it.
        return re.compile(rf"(?:[^\\\n]|(?!{re.escape(escape + quote)})\\)*+")
    return re.compile(rf"(?:[^{quote}\\\n]|\\.)*+")


def _is_plain_here(text: str, found: re.Match[str], end: int, inner: str) -> bool:
    name = found[1]
    if is_plain(name, inner):
        return name.lower() != "pwd" or _compiled(_PATH).match(inner) is None
    if level_of(name) != "weak":
        return False
    if inner.isdecimal():
        return name.lower().endswith("pass") and _compiled(_COUNTS).match(text, end) is not None
    # A sentence: `auth: could not reach the directory`, `token: refreshed after 3 s`.
    is_sentence = ":" in found[2] and found[2].endswith(" ") and inner.rstrip(".,;!").isalpha() and len(inner) <= 14
    return is_sentence and _compiled(_GOES_ON).match(text, end) is not None


def _element(found: re.Match[str], by: str) -> str:
    name, value = found[1], found[2].strip()
    if not level_of(name) or is_plain(name, value):
        return found[0]
    return found[0][: found.start(2) - found.start()] + by


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # At the first use: compiling all of them costs a short job 4 % of its instructions.
    return re.compile(pattern, re.IGNORECASE)
