"""The part of Grafana's HTTP API that publishing needs: folders, and boards by their uid.

https://grafana.com/docs/grafana/latest/developers/http_api/. A service account's token belongs to one organisation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urljoin, urlsplit

import urllib3

from batchtel.redact.addresses import shown
from batchtel_dashboards.stores.client import TIMEOUT, reason

TOKEN: Final = "BATCHTEL_GRAFANA_TOKEN"
"""Environment variable with the token of a service account; an option would be visible to every user in `ps`."""

PAGE: Final = 1000
"""Folders of one answer."""

Kind = Literal["refused", "input", "unreachable"]


class GrafanaError(Exception):
    """Grafana has not done what was asked; the message states what, where, why and what to do.

    Attributes:
        kind: Grafana `refused` it; the `input`, address or token, is wrong; or no Grafana is `unreachable` there.
    """

    def __init__(self, message: str, kind: Kind) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Saved:
    """A board as Grafana has it.

    Attributes:
        content: its JSON.
        folder_uid: where it is; "" at the top.
        folder_title: the name of that folder.
        provisioned: it was loaded from a file, so the API cannot change it.
    """

    content: dict[str, Any]
    folder_uid: str
    folder_title: str
    provisioned: bool


class Grafana:
    """The API of a Grafana at `url`, which may have a sub-path and a trailing slash."""

    def __init__(self, url: str, token: str) -> None:
        """Check address and token.

        Raises:
            GrafanaError: One of them cannot be used.
        """
        self.url = _address(url)
        if not all("!" <= sign <= "~" for sign in token):
            raise GrafanaError(f"{TOKEN} has characters that no token has; set it to the token alone", "input")
        self._has_token = bool(token)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        # A redirect is an error: the request that follows one would be a GET.
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False, headers=headers)

    def folder(self, title: str) -> str | None:
        """Return the uid of the folder with a title at the top level; None if there is none.

        Raises:
            GrafanaError: As for every request.
        """
        for page in range(1, PAGE):
            folders = self._found("list folders", "GET", f"/api/folders?limit={PAGE}&page={page}", list)
            for one in folders:
                if one.get("title") == title:
                    return str(one["uid"])
            if len(folders) < PAGE:
                break
        return None

    def create_folder(self, title: str) -> str:
        """Create a folder at the top level and return its uid.

        Raises:
            GrafanaError: As for every request, or it exists already.
        """
        answer = self._found(f"create the folder {title!r}", "POST", "/api/folders", dict, {"title": title})
        return str(answer["uid"])

    def board(self, uid: str) -> Saved | None:
        """Return a board, or None if there is none with this uid.

        Raises:
            GrafanaError: As for every request.
        """
        answer = self._request(f"read the board {uid}", "GET", f"/api/dashboards/uid/{uid}", None, missing=True)
        if answer is None:
            return None
        try:
            meta = answer["meta"]
            return Saved(
                answer["dashboard"],
                meta.get("folderUid") or "",
                meta.get("folderTitle") or "",
                bool(meta.get("provisioned")),
            )
        except (AttributeError, KeyError, TypeError):
            raise self._another(f"/api/dashboards/uid/{uid}", "unexpected JSON") from None

    def save(self, board: Mapping[str, Any], folder_uid: str, message: str) -> None:
        """Create or overwrite a board, in a folder; `message` is for its history of versions.

        Raises:
            GrafanaError: As for every request.
        """
        body = {"dashboard": {**board, "id": None}, "folderUid": folder_uid, "overwrite": True, "message": message}
        self._found(f"save the board {board.get('uid')}", "POST", "/api/dashboards/db", dict, body)

    def _found(self, what: str, method: str, path: str, shape: type, body: object = None) -> Any:
        answer = self._request(what, method, path, body)
        if not isinstance(answer, shape):
            raise self._another(path, "unexpected JSON")
        return answer

    def _request(self, what: str, method: str, path: str, body: object, *, missing: bool = False) -> Any:
        place = f"{self.url}{path.partition('?')[0]}"
        sent = None if body is None else json.dumps(body).encode()
        try:
            answer = self._pool.request(method, self.url + path, body=sent)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise GrafanaError(
                f"cannot {what}: no answer at {place}: {reason(error)}; compare --url with Grafana's address in a "
                "browser",
                "unreachable",
            ) from error
        text = answer.data.decode(errors="replace")
        if answer.status == 200:
            try:
                return json.loads(text)
            except ValueError:
                raise self._another(path, "something that is not JSON") from None
        if answer.status == 404 and missing:
            return None
        raise self._refusal(what, path, place, answer.status, text, answer.headers.get("Location") or "")

    def _refusal(self, what: str, path: str, place: str, status: int, text: str, location: str) -> GrafanaError:
        begin = f"cannot {what}: Grafana answers {status} at {place}"
        why = f": {_message(text)}"
        if 300 <= status < 400:
            to = shown(urljoin(place, location))
            there, api, _ = to.partition(path.partition("?")[0])
            step = f"type that address: --url {there}" if api and "?" not in there else _LOGIN
            return GrafanaError(f"{begin} and redirects to {to}; {step}", "input")
        if status == 401:
            step = f"set {TOKEN} to a valid token" if self._has_token else f"it needs a token: set {TOKEN} to that"
            return GrafanaError(f"{begin}{why}; {step} of a service account with the role Editor", "input")
        if status == 403:
            return GrafanaError(f"{begin}{why}; give the service account of {TOKEN} the role Editor", "refused")
        if status == 404:
            step = "where Grafana has a sub-path, --url ends with it, such as https://example.com/grafana"
            return GrafanaError(f"{begin}{why}; {step}", "input")
        if status >= 500:
            return GrafanaError(f"{begin}{why}; look into Grafana's log, then publish again", "unreachable")
        if path == "/api/folders":
            return GrafanaError(f"{begin}{why}; name another folder with --folder", "refused")
        return GrafanaError(f"{begin}{why}", "refused")

    def _another(self, path: str, answer: str) -> GrafanaError:
        place = f"{self.url}{path.partition('?')[0]}"
        return GrafanaError(f"{place} answers {answer}; is --url the address of Grafana?", "unreachable")


_LOGIN: Final = f"a proxy before Grafana asks for a login: use an address at which {TOKEN} is enough"


def _address(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise GrafanaError(
            f"--url {shown(url)!r} is no address; write one such as https://example.com/grafana", "input"
        )
    if "@" in parts.netloc:
        raise GrafanaError(
            f"--url has a user or password, which every user of this machine can read; put a token into {TOKEN}",
            "input",
        )
    if parts.query or parts.fragment:
        raise GrafanaError(f"--url {shown(url)!r} has a query; write the address up to the sub-path", "input")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _message(text: str) -> str:
    """Return Grafana's reason: message and status of its JSON, or the beginning of another text."""
    try:
        content = json.loads(text)
        message = content["message"] + (f" ({content['status']})" if content.get("status") else "")
    except (ValueError, KeyError, TypeError, AttributeError):
        message = text
    return shown(" ".join(message.split())[:300]) or "without a reason"
