"""No credential leaves the process, whichever way it came into a record."""

from __future__ import annotations

import json
import random
import time

import pytest
from google.protobuf.json_format import MessageToDict

from batchtel.base.values import cut
from batchtel.redact.patterns import REDACTED, WITHHELD, KeyLines, Redaction
from batchtel.schema.limits import CUT_MARKER
from tests.support.planted import SECRETS, TOKENS
from tests.support.process import run
from tests.support.sink import Sink

PLAIN = [
    "PWD=/home/etl OLDPWD=/srv",
    "cd $PWD; pwd: ~/work",
    r"PWD=C:\Users\etl",
    "pass=12 fail=3",
    "pass: 1,204, fail: 0, skip: 3",
    "pass=104233 fail=3",
    "pass=98.5%",
    "auth: ok",
    "auth=failed user=ada",
    "auth: could not reach the directory",
    "token: 5 tokens left",
    "token: refreshed after 3 s",
    "token expired: true",
    "signature: f(x, y)",
    "sig: SIGTERM",
    "first pass: loading rows",
    "compass: north, bypass: on, monkey=3",
    "password: None",
    '{"password": null, "has_password": true}',
    "pg_restore --no-password shop",
    "--password-file /run/secrets/etl",
    "auth::login(user)",
    "bearer authentication failed",
    "<token>expired</token>",
    "the password is missing",
    "monkey: 3 keys, primary_key: 17, key=5",
    "tokens: 1500 of model x",
    "author: Ana, passed: 17 tests, design: 4",
    "basic training starts",
    "see https://example.org/docs:8080/a@b",
    "file:///srv/landing/2026-03-01.csv",
    "12:30:15 loaded 3 rows",
]


@pytest.mark.parametrize("shape", SECRETS)
def test_redacts_the_secret_and_leaves_the_rest(shape: str) -> None:
    """What stood around the secret is still there."""
    clean = Redaction().text(SECRETS[shape].format("s3cr3tW0rd"))
    assert "s3cr3tW0rd" not in clean
    assert clean.count(REDACTED) == 1
    before, _, after = SECRETS[shape].format("\0").partition("\0")
    assert clean.split(REDACTED)[0][:8] == before[:8]
    assert after[-4:] in clean or shape in ("bearer", "private key", "authorization json", "json", "python dict")


@pytest.mark.parametrize("kind", TOKENS)
def test_recognises_tokens_by_their_shape(kind: str) -> None:
    """A token needs no name beside it."""
    assert Redaction().text(f"got {TOKENS[kind]} there") == f"got {REDACTED} there"


@pytest.mark.parametrize("text", PLAIN)
def test_leaves_plain_text_alone(text: str) -> None:
    """Text that only sounds like a secret stays."""
    assert Redaction().text(text) == text


HIDDEN = {
    "PGPASSWORD=hunter2 psql": "PGPASSWORD=[redacted] psql",
    "MYSQL_PWD=/hunter2": "MYSQL_PWD=[redacted]",
    "Uid=etl;PWD=/hunter2;": "Uid=etl;PWD=[redacted];",
    "password=hun,ter2&hunter2 x": "password=[redacted] x",
    'password="hunter2 hunter2': "password=[redacted]",
    r'password="hun\"ter2" x': "password=[redacted] x",
    "password=b'hunter2')": "password=[redacted])",
    r'"{\"password\": \"hunter2\", \"rows\": 3}"': r'"{\"password\": [redacted], \"rows\": 3}"',
    "Cookie: a=hunter2; b=hunter2": "Cookie: [redacted]",
    'Authorization: Digest username="ada", response="hunter2"': "Authorization: [redacted]",
    "<db:password>hunter2</db:password>": "<db:password>[redacted]</db:password>",
    "//registry.npmjs.org/:_authToken=hunter2": "//registry.npmjs.org/:_authToken=[redacted]",
    "client_secret := hunter2": "client_secret := [redacted]",
    "-password hunter2 -v": "-password [redacted] -v",
    "'password=hunter2': 3": "'password=[redacted]': 3",
    "token: 482913": "token: [redacted]",
    "pass: hunter2": "pass: [redacted]",
    "x.eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0.dozjgNr x": "x.[redacted] x",
}
"""Text -> what is sent of it."""


@pytest.mark.parametrize("text", HIDDEN)
def test_hides_all_of_a_secret_and_nothing_else(text: str) -> None:
    """Quoted, escaped, prefixed, with signs in it or never closed: the secret is gone, what is around it stays."""
    assert Redaction().text(text) == HIDDEN[text]


ARGUMENTS = [
    (["etl.py", "--password", "hunter2", "--jobs", "4"], ["etl.py", "--password", REDACTED, "--jobs", "4"]),
    (["--api-key", "-x", "-token", "abc"], ["--api-key", REDACTED, "-token", REDACTED]),
    (["password", "is", 1, "--token"], ["password", "is", 1, "--token"]),
    (["--url=https://etl:hunter2@db/shop"], [f"--url=https://etl:{REDACTED}@db/shop"]),
]


@pytest.mark.parametrize(("arguments", "clean"), ARGUMENTS)
def test_redacts_what_follows_its_flag(arguments: list[object], clean: list[object]) -> None:
    """In a list, as sys.argv is, the secret is another item than its name."""
    assert Redaction().value("process.command_args", arguments) == clean


KEYS = {
    "password": True,
    "db.password": True,
    "DB_PASSWORD": True,
    "accessToken": True,
    "client-secret": True,
    "awsSecretAccessKey": True,
    "x2ApiKey": True,
    "monkey": False,
    "bypass": False,
    "BYPASS": False,
    "tokens": False,
    "tokenCount": False,
    "designSig": True,
    "PGPASSWORD": True,
    "pass": True,
    "auth": True,
    "compass": False,
    "design": False,
}


@pytest.mark.parametrize("key", KEYS)
def test_recognises_secrets_by_their_key(key: str) -> None:
    """A key that ends in the name of a secret, as a part of its own, hides the whole value."""
    assert Redaction().value(key, "plain") == (REDACTED if KEYS[key] else "plain")


NO_SECRETS = [{"PWD": "/home/etl"}, {"pass": 12, "fail": 3}, {"auth": "ok"}, {"token": 5}, {"password": None}]


@pytest.mark.parametrize("attributes", NO_SECRETS)
def test_leaves_values_alone_that_are_no_secrets(attributes: dict[str, object]) -> None:
    """A folder, a small number, a status or nothing is no secret, whatever its key is called."""
    assert Redaction().attributes(attributes) == attributes


NESTED = [
    ([("X-Api-Key", "hunter2"), ("Accept", "x")], [["X-Api-Key", REDACTED], ["Accept", "x"]]),
    ({"postgresql://etl:hunter2@db": 1}, {f"postgresql://etl:{REDACTED}@db": 1}),
    ([{"password": "hunter2", "rows": 3}], [{"password": REDACTED, "rows": 3}]),
    ({"rows": [["token=hunter2"], ["ok"]]}, {"rows": [[f"token={REDACTED}"], ["ok"]]}),
    (b"password=hunter2 \xff", f"password={REDACTED} \\xff".encode()),
    ([b"token=hunter2"], [f"token={REDACTED}".encode()]),
]


@pytest.mark.parametrize(("value", "clean"), NESTED)
def test_looks_into_everything_that_a_log_record_can_hold(value: object, clean: object) -> None:
    """Lists of mappings, lists in lists and bytes are values of log records, too."""
    assert Redaction().value("payload", value) == clean


LENGTH = 64 * 1024
BOUND = 1.0
"""CPU seconds for 64 KiB. The slowest needs 0.1 s; what is quadratic needs minutes."""

FRAGMENTS = [
    *("-", "--a", "--pass", "--password ", "-a-", "eyJ-", "eyJ", "eyJ.", "eyJaaaaaaaa.", ".", "a.", "_", "a"),
    *("A", "\t", " ", "://", "://a:", "://a:@", ":", "=", "=>", "pass", "pass ", "pass=", 'pass="', "pass='"),
    *("pass=\\", 'pass=\\"', "pass=b", "token: ", "token: a ", "auth: digest a=", "authorization: "),
    *("cookie: ", "pass=1", "pass:,", "pass=,a", "sig=&a=", "sig=(", "pass=ok!", "bearer ", "bearer a"),
    *("basic ", "basic =", "<", "<pass ", "<pass>", "<pass>a</", "</", ">", ",", "\\", '"', "'", "-----BEGIN "),
    *("-----BEGIN PRIVATE KEY-----", "-----END ", "PRIVATE KEY", "[truncated]...", "Comment: ", "AKIA", "AIza"),
    *("ya29.", "ghp_", "github_pat_", "glpat-", "xoxb-", "npm_", "pypi-", "SG.", "SG.a-", "dapi", "hvs."),
    *("hf_", "sk-", "sk-ant-", "hooks.slack.com/services/", "pwd=/", "é", "\n", "\udce9", "private", "key"),
    *("0", "5,"),
]


def _seconds(text: str) -> float:
    begun = time.thread_time()
    Redaction().text(text)
    KeyLines().line(text)
    Redaction().value(text, text)
    return time.thread_time() - begun


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_no_pattern_backtracks(fragment: str) -> None:
    """64 KiB of what a pattern begins with, or goes on with, are searched in a time that is linear in their length."""
    repeated = fragment * (LENGTH // len(fragment))
    slow = {
        text[:40]: seconds
        for text in (
            repeated,
            f"{repeated}!",
            f"password={repeated}",
            f"token {repeated}\n",
            f"[truncated]...{repeated}",
        )
        if (seconds := _seconds(text)) > BOUND
    }
    assert slow == {}


@pytest.mark.parametrize("seed", range(40))
def test_no_mixture_makes_a_pattern_backtrack(seed: int) -> None:
    """The same of mixtures, repeated and shuffled."""
    chance = random.Random(seed)
    few = chance.sample(FRAGMENTS, chance.randint(2, 4))
    mixed = "".join(few)
    shuffled = "".join(chance.choices(few, k=LENGTH // 2))[:LENGTH]
    assert _seconds(mixed * (LENGTH // len(mixed))) < BOUND, few
    assert _seconds(shuffled) < BOUND, few


KEY = """\
2026-03-01 loading -----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED

MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ==
-----END RSA PRIVATE KEY-----
loaded 3 rows
-----BEGIN PRIVATE KEY-----MIIE-----END PRIVATE KEY-----
done""".splitlines()


def test_redacts_a_key_that_comes_line_by_line() -> None:
    """Between its first and its last line nothing of it is left, and what follows is."""
    key_lines, redaction = KeyLines(), Redaction()
    clean = [redaction.text(key_lines.line(line)) for line in KEY]
    assert clean == [
        f"2026-03-01 loading -----BEGIN RSA PRIVATE KEY-----{REDACTED}",
        *[REDACTED] * 3,
        "-----END RSA PRIVATE KEY-----",
        "loaded 3 rows",
        f"-----BEGIN PRIVATE KEY-----{REDACTED}",
        "done",
    ]


HALVES = {
    "password": "x" * 90 + " password=hunter2hunter2hunter2 " + "y" * 60,
    "URL": "x" * 70 + " postgresql://etl:hunter2hunter2hunter2@db/shop " + "y" * 60,
    "key": "-----BEGIN PRIVATE KEY-----" + "\nMIIEhunter2" * 20 + "\n-----END PRIVATE KEY----- " + "y" * 30,
    "key, in the middle": "x" * 120 + "-----BEGIN PRIVATE KEY-----\n" + "hunter2\n" * 30 + "-----END PRIVATE KEY-----",
}


@pytest.mark.parametrize("kind", HALVES)
@pytest.mark.parametrize("limit", range(100, 200, 7))
def test_half_a_secret_is_one(kind: str, limit: int) -> None:
    """Wherever a text is cut in the middle, no part of a secret is left on either side."""
    clean = Redaction().text(cut(HALVES[kind], limit))
    assert len(clean) <= limit + len(CUT_MARKER) + 2 * len(REDACTED)
    assert [part for part in ("hunter", "unter2", "ter2hun") if part in clean] == []


def test_redacts_patterns_of_the_user() -> None:
    """The first group is what is replaced; without a group all of the match is."""
    assert Redaction(r"card (\d{4}-\d{4})").text("card 1234-5678 ok") == f"card {REDACTED} ok"
    assert Redaction(r"\d{4}-\d{4}").text("card 1234-5678 ok") == f"card {REDACTED} ok"


def test_nothing_planted_leaves_the_process(sink: Sink) -> None:
    """Planted in every place a record has, no secret is in any request, and the records are."""
    planted = {name: text.format(f"planted{number:02}X") for number, (name, text) in enumerate(SECRETS.items())}
    planted |= {name: f"got {token}" for name, token in TOKENS.items()}
    ended = run(
        """
        import json, logging, sys
        import batchtel
        from opentelemetry import trace
        planted = json.loads(sys.argv[1])
        tracer = trace.get_tracer("library")
        logging.basicConfig(stream=sys.stdout)
        for name, text in planted.items():
            try:
                with batchtel.job("planted", type="etl") as job:
                    job.set(plain=text, listed=[text], password="planted-by-key")
                    job.failed_record(text, ValueError(text))
                    more = {"detail": text, "nested": [{"token": "planted-in"}, [text.encode()]]}
                    logging.getLogger("app").error("%s", text, extra=more)
                    with tracer.start_as_current_span("query", attributes={"db.statement": text}) as span:
                        span.add_event("retry", {"reason": text})
                        span.record_exception(RuntimeError(text))
                    with batchtel.step("load"):
                        raise ConnectionError(text)
            except ConnectionError:
                pass
        """,
        sink,
        json.dumps(planted),
        BATCHTEL_REDACT="planted-by-pattern",
    )
    assert (ended.code, ended.stderr) == (0, "")
    assert "planted00X" in ended.stdout, "the job's own output is its own"
    sent = json.dumps([MessageToDict(message) for _, message in sink.requests])
    assert "planted" in sent, "the job's name is there"
    assert [name for name in ("planted-by-key", "planted-in") if name in sent] == []
    assert [f"planted{number:02}X" for number in range(len(SECRETS)) if f"planted{number:02}X" in sent] == []
    assert [token for token in TOKENS.values() if token in sent] == []
    assert len([log for log in sink.logs() if log.event == "batch.run.finished"]) == len(planted)
    assert len([span for span in sink.spans() if span.name == "query"]) == len(planted)


def test_withholds_every_text_where_the_own_pattern_is_invalid(sink: Sink) -> None:
    """What BATCHTEL_REDACT was to hide may be anywhere: counts, names and statuses are sent, no text of the job is."""
    ended = run(
        """
        import logging, batchtel
        from opentelemetry import trace
        with batchtel.job("nightly", type="etl") as job:
            job.set(customer="planted", rows=3)
            job.inputs("planted.csv")
            job.failed_record("planted", "planted")
            logging.getLogger("app").error("planted", extra={"all": ["planted", {"customer": "planted"}]})
            with trace.get_tracer("library").start_as_current_span("GET /planted") as span:
                span.add_event("planted")
            raise ValueError("planted")
        """,
        sink,
        BATCHTEL_REDACT="planted(",
    )
    first = ended.stderr.splitlines()[0]
    assert first == (
        "BATCHTEL_REDACT='planted(' is not a regular expression; until it is one, every text of spans and log records "
        "is withheld"
    )
    assert "planted" not in json.dumps([MessageToDict(message) for _, message in sink.requests])
    finished = sink.event("batch.run.finished")
    assert (finished.attributes["batch.status"], finished.attributes["batch.job.name"]) == ("failure", "nightly")
    assert finished.attributes["exception.message"] == finished.body == WITHHELD
    assert sink.span("batch_job.nightly").attributes["rows"] == 3
    assert sink.total("batch.job.completions", status="failure", error_type="ValueError") == 1
