"""Publishing: compare each board with the one that Grafana has, and send what differs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from batchtel.version import __version__
from batchtel_dashboards.boards.grafana import Grafana, GrafanaError, Saved

State = Literal["created", "changed", "unchanged", "failed"]

_OWN: Final = ("id", "version")
"""What Grafana itself adds to a board."""


@dataclass(frozen=True)
class Outcome:
    """What happened to a board, or in a dry run what would.

    Attributes:
        uid: the board.
        state: `failed` has an error.
        difference: unified diff from Grafana's board to batchtel's; "" unless it is changed.
        error: why it failed.
    """

    uid: str
    state: State
    difference: str = ""
    error: GrafanaError | None = None


@dataclass(frozen=True)
class Folder:
    """A folder of Grafana; `uid` is None where it would be created."""

    title: str
    uid: str | None
    created: bool


def folder(grafana: Grafana, title: str, *, dry_run: bool) -> Folder:
    """Return the folder with a title, created if there is none and it is no dry run.

    Raises:
        GrafanaError: As of Grafana's methods.
    """
    uid = grafana.folder(title)
    if uid is not None:
        return Folder(title, uid, created=False)
    return Folder(title, None if dry_run else grafana.create_folder(title), created=True)


def outcomes(grafana: Grafana, texts: Mapping[str, str], place: Folder, *, dry_run: bool) -> Iterator[Outcome]:
    """Yield the outcome of each board of `texts`, uid to JSON; the last one if Grafana or the token cannot be used."""
    for uid, text in texts.items():
        try:
            yield _outcome(grafana, uid, json.loads(text), place, dry_run=dry_run)
        except GrafanaError as error:
            yield Outcome(uid, "failed", error=error)
            if error.kind != "refused":
                return


def _outcome(grafana: Grafana, uid: str, ours: dict[str, Any], place: Folder, *, dry_run: bool) -> Outcome:
    theirs = grafana.board(uid)
    state: State = "created" if theirs is None else "changed" if _differs(ours, theirs, place) else "unchanged"
    difference = _difference(uid, ours, theirs, place) if theirs and state == "changed" else ""
    if theirs and theirs.provisioned and state == "changed":
        raise GrafanaError(
            f"cannot save the board {uid}: Grafana has loaded it from a file; write the file again with `batchtel "
            "dashboards build`, or remove it from the provisioning",
            "refused",
        )
    if not dry_run and place.uid is not None and state != "unchanged":
        grafana.save(ours, place.uid, f"batchtel {__version__}")
    return Outcome(uid, state, difference)


def _differs(ours: dict[str, Any], theirs: Saved, place: Folder) -> bool:
    return _content(ours) != _content(theirs.content) or theirs.folder_uid != place.uid


def _difference(uid: str, ours: dict[str, Any], theirs: Saved, place: Folder) -> str:
    before = _lines(theirs.content, place.title if theirs.folder_uid == place.uid else theirs.folder_title)
    after = _lines(ours, place.title)
    return "\n".join(difflib.unified_diff(before, after, f"Grafana/{uid}", f"batchtel/{uid}", lineterm="", n=2))


def _lines(board: dict[str, Any], title: str) -> list[str]:
    return [f"folder: {title}", *json.dumps(_content(board), indent=1, sort_keys=True).splitlines()]


def _content(board: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in board.items() if key not in _OWN}
