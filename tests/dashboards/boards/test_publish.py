"""`batchtel dashboards publish`, against a server with the documented behaviour of Grafana's API."""

from __future__ import annotations

import copy
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from batchtel.cli.main import main
from batchtel_dashboards.boards import shipped
from batchtel_stack import ports
from tests.dashboards.boards import grafana_api
from tests.dashboards.boards.grafana_api import GrafanaApi
from tests.support import certificates

VARIABLE: Final = "BATCHTEL_GRAFANA_TOKEN"
UIDS: Final = list(shipped.texts("exact"))
FIRST: Final = UIDS[0]


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch) -> Iterator[GrafanaApi]:
    """A server with no folder and no board; its token is set."""
    with grafana_api.running() as server:
        monkeypatch.setenv(VARIABLE, server.token)
        yield server


def publish(url: str, *options: str) -> Result:
    """Call the command."""
    return CliRunner().invoke(main, ["dashboards", "publish", "--url", url, *options])


def _document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_the_first_time_everything_is_created(grafana: GrafanaApi) -> None:
    """Folder and boards, with the content that ships and their uids."""
    done = publish(grafana.url)
    assert (done.exit_code, done.stderr) == (0, "")
    assert grafana.folders == {"f0": "batchtel"}
    for uid, text in shipped.texts("exact").items():
        board, folder, _ = grafana.boards[uid]
        assert folder == "f0"
        assert {key: value for key, value in board.items() if key not in ("id", "version")} == json.loads(text)
    count = len(UIDS)
    assert done.stdout.splitlines()[-1] == f"{count} created in the folder batchtel (new) of {grafana.url}"


def test_the_second_time_nothing_is_sent(grafana: GrafanaApi) -> None:
    """No version is added to the history of a board."""
    publish(grafana.url)
    grafana.requests.clear()
    done = publish(f"{grafana.url}/")
    assert done.exit_code == 0
    assert {method for method, _ in grafana.requests} == {"GET"}
    assert done.stdout.splitlines()[-1] == f"{len(UIDS)} unchanged in the folder batchtel of {grafana.url}"


def test_a_dry_run_shows_the_difference_and_sends_nothing(grafana: GrafanaApi) -> None:
    """Created, changed with a unified diff, moved, unchanged."""
    publish(grafana.url)
    before = copy.deepcopy(grafana.boards)
    grafana.boards[FIRST][0]["title"] = "Changed by hand"
    del grafana.boards[UIDS[1]]
    grafana.folders["f9"] = "Elsewhere"
    grafana.boards[UIDS[2]] = (grafana.boards[UIDS[2]][0], "f9", False)
    changed = copy.deepcopy(grafana.boards)
    grafana.requests.clear()
    done = publish(grafana.url, "--dry-run")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[:3] == [f"{FIRST:<24} changed", f"--- Grafana/{FIRST}", f"+++ batchtel/{FIRST}"]
    assert '- "title": "Changed by hand",' in lines
    assert f'+ "title": "{before[FIRST][0]["title"]}",' in lines
    assert f"{UIDS[1]:<24} created" in lines
    assert "-folder: Elsewhere" in lines
    assert "+folder: batchtel" in lines
    rest = len(UIDS) - 3
    assert lines[-1] == (
        f"nothing was sent: 2 changed, 1 created, {rest} unchanged in the folder batchtel of {grafana.url}"
    )
    assert {method for method, _ in grafana.requests} == {"GET"}
    assert grafana.boards == changed
    assert publish(grafana.url).exit_code == 0
    assert {uid: (b["title"], f) for uid, (b, f, _) in grafana.boards.items()} == {
        uid: (b["title"], f) for uid, (b, f, _) in before.items()
    }


def test_a_dry_run_on_an_empty_grafana(grafana: GrafanaApi) -> None:
    """The folder is not created."""
    done = publish(grafana.url, "--dry-run", "--json")
    document = _document(done)
    assert (document["dry_run"], document["folder"]) == (True, {"title": "batchtel", "uid": None, "created": True})
    assert {board["state"] for board in document["boards"]} == {"created"}
    assert (grafana.folders, grafana.boards) == ({}, {})


def test_a_folder_that_exists_is_found_by_its_name(grafana: GrafanaApi) -> None:
    """Also among more than one answer has; its uid is of Grafana's choice."""
    grafana.folders |= {f"x{number}": f"folder {number}" for number in range(1000)} | {"byhand": "Batch jobs"}
    document = _document(publish(grafana.url, "--folder", "Batch jobs", "--aggregation", "stock", "--json"))
    assert document["folder"] == {"title": "Batch jobs", "uid": "byhand", "created": False}
    assert {folder for _, folder, _ in grafana.boards.values()} == {"byhand"}
    board = grafana.boards["batch-fleet"][0]
    assert board["panels"] == json.loads(shipped.texts("stock")["batch-fleet"])["panels"]


def test_one_refused_board_does_not_stop_the_others(grafana: GrafanaApi) -> None:
    """Every error is printed; the exit code is 1, also with --json."""
    publish(grafana.url)
    for number, uid in enumerate(UIDS[:2]):
        board, folder, _ = grafana.boards[uid]
        grafana.boards[uid] = ({**board, "title": "old"}, folder, number == 0)
    grafana.boards[UIDS[2]][0]["title"] = "old"
    answer = {"message": "A dashboard belongs to plugin X", "status": "plugin-dashboard"}
    for options in ((), ("--json",), ("--dry-run",)):
        done = publish(grafana.url, *options)
        assert done.exit_code == 1
        assert done.stderr == (
            f"error: cannot save the board {FIRST}: Grafana has loaded it from a file; write the file again with "
            "`batchtel dashboards build`, or remove it from the provisioning\n"
        )
    assert grafana.boards[UIDS[2]][0]["title"] != "old"
    grafana.boards[UIDS[2]][0]["title"] = "old"
    grafana.fixed["POST", "/api/dashboards/db"] = (412, answer)
    done = publish(grafana.url)
    assert done.exit_code == 1
    assert done.stderr.endswith(
        f"cannot save the board {UIDS[2]}: Grafana answers 412 at {grafana.url}/api/dashboards/db: A dashboard belongs "
        "to plugin X (plugin-dashboard)\n"
    )


def test_a_folder_that_cannot_be_created(grafana: GrafanaApi) -> None:
    """A token may not see the folder that has the name; Grafana answers 409, or 412 without a reason."""
    for status, answer, reason in (
        (409, {"message": "a folder with the same name already exists"}, "a folder with the same name already exists"),
        (412, {}, "{}"),
    ):
        grafana.fixed["POST", "/api/folders"] = (status, answer)
        done = publish(grafana.url)
        assert (done.exit_code, done.stdout) == (1, "")
        assert done.stderr == (
            f"error: cannot create the folder 'batchtel': Grafana answers {status} at {grafana.url}/api/folders: "
            f"{reason}; name another folder with --folder\n"
        )


def test_a_wrong_token(grafana: GrafanaApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that Grafana rejects, none, one that may only read, and text that is no token."""
    place = f"Grafana answers 401 at {grafana.url}/api/folders: Invalid API key"
    monkeypatch.setenv(VARIABLE, "glsa_other")
    done = publish(grafana.url)
    assert (done.exit_code, done.stderr) == (
        2,
        f"error: cannot list folders: {place}; set {VARIABLE} to a valid token of a service account with the role "
        "Editor\n",
    )
    monkeypatch.delenv(VARIABLE)
    done = publish(grafana.url)
    assert (done.exit_code, done.stderr) == (
        2,
        f"error: cannot list folders: {place}; it needs a token: set {VARIABLE} to that of a service account with the "
        "role Editor\n",
    )
    monkeypatch.setenv(VARIABLE, "glsa_a\nX-Other: b")
    done = publish(grafana.url)
    assert (done.exit_code, done.stderr) == (
        2,
        f"error: {VARIABLE} has characters that no token has; set it to the token alone\n",
    )
    monkeypatch.setenv(VARIABLE, f"{grafana.token}\n")
    grafana.read_only = True
    done = publish(grafana.url)
    assert (done.exit_code, done.stderr) == (
        1,
        f"error: cannot create the folder 'batchtel': Grafana answers 403 at {grafana.url}/api/folders: You'll need "
        f"additional permissions to perform this action.; give the service account of {VARIABLE} the role Editor\n",
    )


def test_a_sub_path_that_is_missing(grafana: GrafanaApi) -> None:
    """The redirect is not followed, as it would make a GET of a POST; the address to type is in the message."""
    server = grafana.url.removesuffix("/grafana")
    done = publish(server)
    assert (done.exit_code, done.stderr) == (
        2,
        f"error: cannot list folders: Grafana answers 301 at {server}/api/folders and redirects to "
        f"{server}/grafana/api/folders?limit=1000&page=1; type that address: --url {server}/grafana\n",
    )


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        ((200, "<html>"), 3, "{url}/api/folders answers something that is not JSON; is --url the address of Grafana?"),
        ((200, {}), 3, "{url}/api/folders answers unexpected JSON; is --url the address of Grafana?"),
        (
            (503, "try later"),
            3,
            "cannot list folders: Grafana answers 503 at {url}/api/folders: try later; look into Grafana's log, then "
            "publish again",
        ),
        (
            (302, "https://example.com/login?back=/api/folders"),
            2,
            "cannot list folders: Grafana answers 302 at {url}/api/folders and redirects to "
            "https://example.com/login?back=/api/folders; a proxy before Grafana asks for a login: use an address at "
            f"which {VARIABLE} is enough",
        ),
        (
            (404, ""),
            2,
            "cannot list folders: Grafana answers 404 at {url}/api/folders: without a reason; where Grafana has a "
            "sub-path, --url ends with it, such as https://example.com/grafana",
        ),
    ],
)
def test_another_answer(grafana: GrafanaApi, answer: tuple[int, Any], code: int, reason: str) -> None:
    """Another program, a Grafana that is starting, and an address without an API."""
    grafana.fixed["GET", "/api/folders"] = answer
    done = publish(grafana.url)
    assert (done.exit_code, done.stderr) == (code, f"error: {reason.format(url=grafana.url)}\n")


def test_grafana_ends_in_between(grafana: GrafanaApi) -> None:
    """What was published is printed, and how many boards were not tried."""
    grafana.fixed["GET", f"/api/dashboards/uid/{UIDS[1]}"] = (500, {"message": "database is locked"})
    done = publish(grafana.url)
    assert done.exit_code == 3
    assert done.stdout.startswith(f"{FIRST:<24} created\n{UIDS[1]:<24} failed\n1 created, 1 failed in the folder")
    assert done.stderr == (
        f"error: cannot read the board {UIDS[1]}: Grafana answers 500 at {grafana.url}/api/dashboards/uid/{UIDS[1]}: "
        f"database is locked; look into Grafana's log, then publish again\n{len(UIDS) - 2} boards were not tried\n"
    )


def test_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is verified by the authorities of SSL_CERT_FILE."""
    certificates.issue(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    with grafana_api.running(tls=context) as server:
        monkeypatch.setenv(VARIABLE, server.token)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "another.crt"))
        refused = publish(server.url, "--dry-run")
        assert (refused.exit_code, server.requests) == (3, [])
        assert "certificate verify failed: unable to get local issuer certificate" in refused.stderr
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
        assert publish(server.url).exit_code == 0


def test_no_answer() -> None:
    """A port on which no program listens."""
    url = f"http://127.0.0.1:{ports.free(1)[0]}"
    done = publish(url)
    assert (done.exit_code, done.stderr) == (
        3,
        f"error: cannot list folders: no answer at {url}/api/folders: connection refused; compare --url with "
        "Grafana's address in a browser\n",
    )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("grafana:3000", "--url 'grafana:3000' is no address; write one such as https://example.com/grafana"),
        ("http://a:b", "--url 'http://a:b' is no address; write one such as https://example.com/grafana"),
        ("", "--url '' is no address; write one such as https://example.com/grafana"),
        (
            "https://admin:secret@example.com",
            f"--url has a user or password, which every user of this machine can read; put a token into {VARIABLE}",
        ),
        (
            "https://example.com/?orgId=2",
            "--url 'https://example.com/?orgId=2' has a query; write the address up to the sub-path",
        ),
    ],
)
def test_a_wrong_address(url: str, reason: str) -> None:
    """No request is sent."""
    done = publish(url)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"error: {reason}\n")
