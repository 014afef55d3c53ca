"""The command `batchtel ui`: pages for a browser."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path
from typing import Final

import click
import uvicorn

from batchtel.cli.main import Failure
from batchtel.cli.parameters import FilePath
from batchtel.schema import settings
from batchtel_dashboards.cli.catalogue import jobs_of
from batchtel_dashboards.web.app import app
from batchtel_dashboards.web.guard import is_loopback
from batchtel_dashboards.web.sources import Sources
from batchtel_stack import port_owner
from batchtel_stack.cli.store_options import Place, of_stores
from batchtel_stack.failures import as_failures
from batchtel_stack.ports import HOST, Ports

TOKEN: Final = "BATCHTEL_UI_TOKEN"
"""The variable with the token; a token in a command line would be readable by every user of the machine."""

SHORTEST: Final = 16
"""Characters of a token at least."""


@click.command(
    epilog="Exit codes: 0 Ctrl-C stopped it; 2 wrong input, or no token off loopback; 3 the port cannot be opened."
)
@click.option(
    "--host",
    default=HOST,
    show_default=True,
    metavar="ADDRESS",
    help=f"Listen there. Any address but loopback needs a token in {TOKEN}.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=Ports().ui,
    show_default=True,
    metavar="PORT",
    help="Listen on this port; 0 is a free one.",
)
@click.option(
    "--no-token",
    is_flag=True,
    help="Need no token on any address: for a container whose port is published on loopback only.",
)
@click.option(
    "--catalogue",
    type=FilePath(),
    metavar="FILE",
    help="The jobs.toml with what is expected; the file that BATCHTEL_CATALOGUE names if not given.",
)
@of_stores
@as_failures()
def ui(place: Place, host: str, port: int, no_token: bool, catalogue: Path | None) -> None:
    """Serve pages that show the fleet, each job, each run, and the pipeline, until Ctrl-C.

    They are read-only, and their content comes from the stores alone. On loopback everybody on this machine can read
    them. On another address each request needs the token of BATCHTEL_UI_TOKEN, which a browser asks for as a password;
    put a proxy with TLS before it, because the token and the pages are not encrypted. Without a token only requests for
    a host name of loopback are answered.

    \b
    Examples:
      batchtel ui
      batchtel ui --env production.yaml --catalogue jobs.toml
      BATCHTEL_UI_TOKEN=$(cat token) batchtel ui --host 0.0.0.0
    """
    token = os.environ.get(TOKEN) or None
    if not (no_token and token is None):
        _require_token(host, token)
    named = settings.read().catalogue
    file = catalogue or (Path(named) if named else None)
    # Read once here: a catalogue that cannot be read is an error of the command line, later one of a page.
    jobs_of(file)
    stores = place.stores
    sources = Sources(stores.prometheus, stores.logs[0], stores.traces[0], place.engine, file)
    with _listening(host, port) as listening:
        actual = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"batchtel ui: http://{shown}:{actual}  (Ctrl-C stops it)", err=True)
        if token is not None and not is_loopback(host):
            click.echo("warning: token and pages are not encrypted here; put a proxy with TLS before it", err=True)
        server = uvicorn.Server(
            uvicorn.Config(
                app(sources, token),
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )
        # Its end is uvicorn's answer to Ctrl-C.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
        # Threads that wait for a store that hangs must not keep the process.
        os._exit(0)


def _require_token(host: str, token: str | None) -> None:
    if token is None and not is_loopback(host):
        raise Failure(
            f"--host {host} is reachable from other machines, and {TOKEN} is not set; "
            f"make a token: export {TOKEN}=$(openssl rand -hex 32)",
            2,
        )
    if token is not None and (len(token) < SHORTEST or not token.isascii()):
        raise Failure(
            f"{TOKEN} has to be at least {SHORTEST} characters of ASCII; "
            f"make one: export {TOKEN}=$(openssl rand -hex 32)",
            2,
        )


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            why = f"it is used by {port_owner.of(host, port) or 'a process of another user'}"
        raise Failure(f"cannot listen on {host}:{port}: {why}; choose another: --port N, or --port 0", 3) from None
