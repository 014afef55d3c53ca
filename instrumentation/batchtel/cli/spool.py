"""The commands `batchtel spool list` and `send`: show what waits in a spool folder, and send it without a job."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from batchtel.cli.main import Failure
from batchtel.cli.parameters import FilePath, Seconds
from batchtel.export.endpoint import SIGNALS, Signal
from batchtel.export.spool import files
from batchtel.export.spool_sender import Round, SpoolSender
from batchtel.schema import settings

_folder = click.argument("folder", type=FilePath(file_okay=False), required=False)


@click.command("list", epilog="Exit codes: 0 ok; 2 there is no folder, or it cannot be read.")
@_folder
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def list_files(folder: Path | None, as_json: bool) -> None:
    """Show how many requests wait in FOLDER, of which signal, how large, and since when.

    FOLDER is the one that BATCHTEL_SPOOL_DIR names if not given.

    \b
    Examples:
      batchtel spool list
      batchtel spool list --json | jq .bytes
    """
    folder = _chosen(folder)
    waiting = _waiting(folder)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), **waiting}, indent=2))
    elif not waiting["requests"]:
        click.echo(f"nothing waits in {folder}")
    else:
        counts = ", ".join(f"{count} {name}" for name, count in waiting["signals"].items())
        age = f"the oldest for {waiting['oldest_seconds']:.0f} s"
        click.echo(f"{waiting['requests']} requests ({counts}; {waiting['bytes']} bytes) wait in {folder}, {age}")


@click.command(
    epilog="Exit codes: 0 ok; 1 a request is rejected or has no endpoint; 2 wrong input; "
    "3 the collector cannot be reached."
)
@_folder
@click.option(
    "--every",
    "seconds",
    type=Seconds(),
    metavar="SECONDS",
    help="Look again every SECONDS until SIGTERM or Ctrl-C, which end it with 0.",
)
def send(folder: Path | None, seconds: float | None) -> None:
    """Send what waits in FOLDER to the endpoint of the OTEL_EXPORTER_OTLP_ variables.

    FOLDER is the one that BATCHTEL_SPOOL_DIR names if not given. A request leaves the folder when the collector has
    acknowledged it. What it rejects stays. Jobs may use the folder meanwhile: each file is sent by one process. Run it
    as the user of the jobs.

    \b
    Examples:
      batchtel spool send
      OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 batchtel spool send /var/spool/batchtel
      batchtel spool send --every 30
    """
    folder = _chosen(folder)
    own = settings.read()
    if not own.has_endpoint:
        raise Failure(
            "OTEL_EXPORTER_OTLP_ENDPOINT is not set, so there is nowhere to send to; set it to the collector, "
            "such as http://127.0.0.1:4318",
            2,
        )
    # What the exporters log about a failure is in the reason that is printed.
    logging.getLogger("opentelemetry").propagate = False
    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
    try:
        sender = SpoolSender(folder, own)
    except ValueError as error:
        raise Failure(str(error), 2) from None
    stopped = threading.Event()
    if seconds is None:
        _once(folder, sender, stopped)
    else:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        _follow(folder, sender, stopped, seconds)


def _once(folder: Path, sender: SpoolSender, stopped: threading.Event) -> None:
    _waiting(folder)
    done = sender.send(stopped.is_set)
    click.echo(_sentence(done, folder, sender))
    if done.kept:
        reasons = "".join(f"\n  {reason}" for reason in dict.fromkeys(kept.reason for kept in done.kept))
        raise Failure(
            f"{_waiting(folder)['requests']} requests stay in {folder}:{reasons}",
            3 if any(kept.is_away for kept in done.kept) else 1,
        )


def _follow(folder: Path, sender: SpoolSender, stopped: threading.Event, seconds: float) -> None:
    """Send what comes until `stopped`; one line for what was sent, and one for each new reason that something stays."""
    reported: set[str] = set()
    while not stopped.is_set():
        # The first job makes the folder.
        done = sender.send(stopped.is_set) if folder.is_dir() else Round(Counter(), ())
        if done.sent:
            click.echo(_sentence(done, folder, sender))
        reasons = {kept.reason for kept in done.kept}
        for reason in sorted(reasons - reported):
            click.echo(f"{reason}; it stays in {folder}", err=True)
        reported = reasons
        stopped.wait(seconds)


def _sentence(done: Round, folder: Path, sender: SpoolSender) -> str:
    if not done.sent:
        return f"nothing was sent from {folder}"
    counts = ", ".join(f"{count} {name}" for name, count in done.sent.items())
    return f"sent {done.sent.total()} requests ({counts}) from {folder} to {', '.join(sender.addresses)}"


def _chosen(folder: Path | None) -> Path:
    configured = settings.read().spool_folder
    if folder is None and not configured:
        raise Failure("BATCHTEL_SPOOL_DIR is not set, so there is no spool; set it, or name a folder", 2)
    return folder or Path(configured)


def _waiting(folder: Path) -> dict[str, Any]:
    """Return what waits in `folder`.

    Raises:
        Failure: It cannot be read.
    """
    try:
        by_signal = {name: _found(folder, name) for name in SIGNALS}
    except OSError as error:
        raise Failure(f"cannot read the spool {folder}: {error.strerror}", 2) from None
    found = [entry for entries in by_signal.values() for entry in entries]
    return {
        "requests": len(found),
        "signals": {name: len(entries) for name, entries in by_signal.items() if entries},
        "bytes": sum(entry.st_size for entry in found),
        "oldest_seconds": max((time.time() - entry.st_mtime for entry in found), default=0.0),
    }


def _found(folder: Path, name: Signal) -> list[os.stat_result]:
    found = []
    for file in files(folder, name):
        # A job may have sent it since.
        with suppress(FileNotFoundError):
            found.append(file.lstat())
    return found
