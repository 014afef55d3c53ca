"""No credential leaves the process, whichever way it came into a record."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import MessageToDict

from batchtel.redaction import REDACTED, Redaction
from tests.instrumentation.process import run
from tests.instrumentation.sink import Sink

# What stands around each secret; {} is the secret itself.
SECRETS = {
    "url": "cannot connect to postgresql://etl:{}@db.internal:5432/shop",
    "url with @": "amqp://guest:p@{}@queue/",
    "password=": "dsn host=db password={} sslmode=require",
    "PASSWORD:": "DB_PASSWORD: {}",
    "json": '{{"user": "etl", "password": "{}", "rows": 3}}',
    "python dict": "{{'api_key': '{}', 'rows': 3}}",
    "query": "GET https://api.example/v1?api_key={}&page=2",
    "signature": "https://bucket.example/x.csv?X-Amz-Signature={}&X-Amz-Date=20260301",
    "Authorization": "Authorization: Bearer {}",
    "authorization json": '{{"authorization": "Basic {}"}}',
    "bearer": "sent bearer {}abcdefghijk",
    "x-api-key": "x-api-key: {}",
    "cookie": "Set-Cookie: session_id={}; Path=/",
    "flag": "pg_restore --password {} --jobs 4",
    "flag=": "run.sh --client-secret={}",
    "token": "token={}",
    "secret": "aws_secret_access_key = {}",
    "account key": "AccountName=x;AccountKey={};EndpointSuffix=core.windows.net",
    "private key": "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    "connection": "Server=db;Uid=etl;Pwd={};",
}
TOKENS = {
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "google": "AIza" + "SyD4" * 8 + "abc",
    "github": "ghp_" + "a1B2" * 9,
    "gitlab": "glpat-" + "x1y2z3" * 4,
    "slack": "xoxb-123456789012-abcdefghijkl",
    "stripe": "sk_live_" + "4eC39H" * 4,
    "npm": "npm_" + "Ab12" * 9,
}
PLAIN = [
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
def test_takes_the_secret_and_leaves_the_rest(shape: str) -> None:
    """What stood around the secret is still there."""
    clean = Redaction().text(SECRETS[shape].format("s3cr3tW0rd"))
    assert "s3cr3tW0rd" not in clean
    assert clean.count(REDACTED) == 1
    before, _, after = SECRETS[shape].format("\0").partition("\0")
    assert clean.split(REDACTED)[0][:8] == before[:8]
    assert after[-4:] in clean or shape in ("bearer", "private key", "authorization json", "json", "python dict")


@pytest.mark.parametrize("kind", TOKENS)
def test_knows_tokens_by_their_shape(kind: str) -> None:
    """A token needs no name beside it."""
    assert Redaction().text(f"got {TOKENS[kind]} there") == f"got {REDACTED} there"


@pytest.mark.parametrize("text", PLAIN)
def test_leaves_plain_text_alone(text: str) -> None:
    """Words that only sound like secrets stay."""
    assert Redaction().text(text) == text


def test_takes_patterns_of_the_user() -> None:
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
                    more = {"detail": text, "nested": {"token": "planted-in"}}
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
