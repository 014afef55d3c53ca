"""Environment files: what is accepted, and the whole message about each mistake."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel_collector.environment.errors import UnreadableFileError
from batchtel_collector.environment.layers import SHIPPED, shipped
from batchtel_collector.environment.load import InvalidEnvironmentError, load, parse
from batchtel_collector.environment.model import Environment

LOCAL = (SHIPPED / "local.yaml").read_text(encoding="utf-8")


def changed(key: str, line: str) -> tuple[str, int]:
    """Return local.yaml with the line of `key` replaced by `line`, and the number of that line."""
    lines = LOCAL.splitlines()
    (index,) = [index for index, text in enumerate(lines) if re.match(rf"\s*{key}:", text)]
    lines[index] = line
    return "\n".join(lines), index + 1


def refusal(text: str) -> str:
    """Return the whole message about a text that must be refused."""
    with pytest.raises(InvalidEnvironmentError) as refused:
        parse(text, "mine.yaml")
    return str(refused.value)


def test_local_is_read_into_types() -> None:
    """Durations, sizes and addresses of the shipped file become values that code can use."""
    local = load("local")
    assert (local.export_interval, local.expiry) == (timedelta(seconds=15), timedelta(days=35))
    assert (local.queue.size, local.memory_limit) == (2**30, 2**30)
    assert local.listen.otlp_grpc == "127.0.0.1:4317"


@pytest.mark.parametrize("name", shipped())
def test_every_key_of_a_shipped_file_is_described(name: str) -> None:
    """Each line with a key has a comment on it, on its group, or directly above it."""
    lines = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    bare = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if re.match(r"[a-z_]+:", line) and not above.startswith("#")
    ]
    assert bare == []


def test_local_shows_every_key_there_is() -> None:
    """One file has all keys."""
    keys = {line.split(":")[0] for line in LOCAL.splitlines() if re.match(r"[a-z_]+:", line)}
    assert keys == set(Environment.model_fields)


def test_overrides_replace_single_keys_and_whole_lists() -> None:
    """What is not overridden keeps the file's value."""
    local = load("local", {"listen": {"health": "127.0.0.1:23133"}, "job_types": ["a"], "export_interval": "1s"})
    assert local.listen.health == "127.0.0.1:23133"
    assert local.listen.otlp_grpc == "127.0.0.1:4317"
    assert local.job_types == ["a"]


def test_a_wrong_override_is_named_without_a_place() -> None:
    """An override has no line in the file, so the message has none either."""
    with pytest.raises(InvalidEnvironmentError) as refused:
        load("local", {"listen": {"health": "nowhere"}})
    assert str(refused.value) == (
        "1 problem in the environment local.yaml\n"
        '  local.yaml: listen.health: "nowhere" is not host:port; write for example "127.0.0.1:4317" '
        "with a port from 1 to 65535"
    )


MISTAKES = {
    "unknown key": (
        "export_interval",
        "exprot_interval: 15s",
        1,
        "exprot_interval is not a key of an environment (did you mean export_interval?)",
    ),
    "wrong type": (
        "series_limit",
        'series_limit: "many"',
        15,
        'series_limit: "many" is not a whole number; write for example series_limit: 50000',
    ),
    "a number for text": ("job_types", "job_types: [batch, 7]", 20, 'job_types[1]: 7 is not text; write "7" in quotes'),
    "duplicate key": (
        "expiry",
        "export_interval: 15s",
        1,
        "export_interval is given twice, first in line 58; remove one",
    ),
    "NO": ("name", "name: NO", 7, 'name: NO is read as false in YAML; write "NO" in quotes for text, or true or false'),
    "on in a list": (
        "job_types",
        "job_types: [on]",
        13,
        'job_types[0]: on is read as true in YAML; write "on" in quotes for text, or true or false',
    ),
    "22:22": (
        "health",
        "  health: 22:22",
        11,
        'listen.health: 22:22 is read as the number 1342 in YAML; write "22:22" in quotes for text, '
        "or a number in digits only",
    ),
    "0777": (
        "instance",
        "instance: 0777",
        11,
        'instance: 0777 is read as the number 511 in YAML; write "0777" in quotes for text, or a number in digits only',
    ),
    "a date": (
        "instance",
        "instance: 2026-01-01",
        11,
        'instance: 2026-01-01 is read as a date in YAML; write "2026-01-01" in quotes for text',
    ),
    "1_000": (
        "series_limit",
        "series_limit: 1_000",
        15,
        'series_limit: 1_000 is read as the number 1000 in YAML; write "1_000" in quotes for text, '
        "or a number in digits only",
    ),
    "no unit": (
        "export_interval",
        "export_interval: 15",
        18,
        'export_interval: 15 is not a duration; write a whole number and a unit, such as "15s", "5m", "12h" or "35d"',
    ),
    "unknown unit": (
        "memory_limit",
        "memory_limit: 1GB",
        15,
        'memory_limit: "1GB" is not a size; write a whole number and a unit, such as "512MiB" or "1GiB"',
    ),
    "port out of range": (
        "health",
        "  health: 127.0.0.1:99999",
        11,
        'listen.health: "127.0.0.1:99999" is not host:port; write for example "127.0.0.1:4317" '
        "with a port from 1 to 65535",
    ),
    "open to others": (
        "scrape",
        "  scrape: 0.0.0.0:8889",
        11,
        'listen.scrape: "0.0.0.0:8889" would be open to other machines without a password; write "127.0.0.1:8889"',
    ),
    "one port twice": (
        "scrape",
        "  scrape: 127.0.0.1:8888",
        None,
        "listen: scrape and metrics have the same port 8888; give each its own",
    ),
    "StatsD of which nothing is kept": (
        "health",
        "  health: 127.0.0.1:13133\n  statsd: 127.0.0.1:8125",
        None,
        "listen.statsd: no metric of it is kept; write airflow_metrics: true, or listen: {statsd: null}",
    ),
    "not a choice": (
        "unknown_jobs",
        "unknown_jobs: othr",
        15,
        'unknown_jobs: "othr" is not a choice (did you mean other?); write keep or other',
    ),
    "a relative folder": (
        "folder",
        "  folder: queue",
        11,
        'queue.folder: "queue" is not an absolute folder; write for example "/var/lib/batchtel/queue"',
    ),
    "another variable": (
        "folder",
        "  folder: ${file:/etc/passwd}",
        11,
        'queue.folder: "${file:/etc/passwd}" is not an absolute folder; write for example "/var/lib/batchtel/queue"',
    ),
    "an alias": ("tags", "tags: &a [*a]", 7, "an alias (*name) is not allowed; write the value out"),
    "not YAML": (
        "tags",
        "tags: [a",
        None,
        "not YAML: while parsing a flow sequence, expected ',' or ']', but got '?'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_error_with_its_place(mistake: str) -> None:
    """Each mistake is reported once: line, column, the value given, and what to write instead."""
    key, line, column, message = MISTAKES[mistake]
    text, number = changed(key, line)
    output = refusal(text)
    lines = output.splitlines()[1:]
    about = [one for one in lines if one.endswith(message)]
    assert len(about) == 1, output
    if column is not None:
        assert about == [f"  mine.yaml:{number}:{column}: {message}"]
    # Renaming or repeating a key leaves its old name missing, which is a second true problem.
    others = [one for one in lines if one not in about]
    assert all("is missing; write" in one for one in others), output


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    """All mistakes are reported at once, not one after the other."""
    text = LOCAL.replace("role: standalone", "role: agnt").replace("expiry: 35d", "expiry: fast")
    text = text.replace("instance: standalone-0\n", "").replace("tags: []", "tags: [yes]")
    assert refusal(text) == (
        "4 problems in the environment mine.yaml\n"
        "  mine.yaml:5:1: instance is missing; write instance: standalone-0\n"
        '  mine.yaml:9:7: role: "agnt" is not a choice (did you mean agent?); write standalone or agent or gateway\n'
        '  mine.yaml:61:9: expiry: "fast" is not a duration; write a whole number and a unit, '
        'such as "15s", "5m", "12h" or "35d"\n'
        '  mine.yaml:85:8: tags[0]: yes is read as true in YAML; write "yes" in quotes for text, or true or false'
    )


def test_a_text_in_place_of_a_group_is_reported_with_an_example_of_a_group() -> None:
    """The example is one that can be pasted."""
    text = LOCAL.replace("jaeger:\n  endpoint:", "jaeger:")
    assert refusal(text) == (
        "1 problem in the environment mine.yaml\n"
        '  mine.yaml:44:9: jaeger: "127.0.0.1:4327" is not a group of keys; '
        'write for example jaeger: {endpoint: "127.0.0.1:4327"}'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mine.yaml:1:1: the file is empty; write keys and values"),
        ("- a\n", "mine.yaml:1:1: must be keys and values, such as `export_interval: 15s`"),
        ("a: \x07\n", "mine.yaml:1:4: not YAML: character U+0007 is not allowed"),
        ("a: 1\n---\nb: 1\n", "mine.yaml:2:1: not YAML: expected a single document in the stream, "),
    ],
)
def test_a_file_of_another_shape_is_refused(text: str, message: str) -> None:
    """Whatever is in the file, there is one clear message and no traceback."""
    assert message in refusal(text)


@pytest.mark.parametrize(("typed", "meant"), [("locl", "local"), ("prod", "production"), ("Staging", "staging")])
def test_an_unknown_name_lists_the_shipped_ones(typed: str, meant: str) -> None:
    """A misspelt or abbreviated name is answered with the nearest and all that exist; exit code 2."""
    result = CliRunner().invoke(main, ["config", "render", "--env", typed])
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: unknown environment {typed!r} (did you mean {meant}?); shipped: {', '.join(shipped())}; "
        "or give a file, for example ./production.yaml\n"
    )
    assert result.stdout == ""


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    """A path that does not exist names the path; exit code 2."""
    missing = tmp_path / "none.yaml"
    reason = f"cannot read the environment {missing}: No such file or directory"
    with pytest.raises(UnreadableFileError) as refused:
        load(str(missing))
    assert str(refused.value) == reason
    result = CliRunner().invoke(main, ["config", "render", "--env", str(missing)])
    assert (result.exit_code, result.stderr) == (2, f"error: {reason}\n")


CONTRADICTIONS = {
    "an open listener": (
        {"otlp_http: 127.0.0.1:4318": "otlp_http: 0.0.0.0:4318"},
        '14:14: listen.otlp_http: "0.0.0.0:4318" would be open to other machines without a password; '
        'write "127.0.0.1:4318", or set tls and token',
    ),
    "an open listener with a token only": (
        {"otlp_http: 127.0.0.1:4318": "otlp_http: 0.0.0.0:4318", "\ntoken: null": "\ntoken: /etc/token"},
        '14:14: listen.otlp_http: "0.0.0.0:4318" would be open to other machines without encryption; '
        'write "127.0.0.1:4318", or set tls',
    ),
    "a long interval": (
        {"export_interval: 15s": "export_interval: 3m"},
        "58:18: export_interval is longer than 2m, so series would have gaps; write 2m or less",
    ),
    "little memory": (
        {"memory_limit: 1GiB": "memory_limit: 64MiB"},
        "103:15: memory_limit is less than 128MiB, so every request would be rejected; write 128MiB or more",
    ),
    "a short expiry": (
        {"expiry: 35d": "expiry: 30m"},
        "61:9: expiry is shorter than 1h, so series would end between two runs; write 1h or more",
    ),
    "plaintext to another machine": (
        {"http://127.0.0.1:9428": "http://victorialogs:9428"},
        '38:13: victorialogs.endpoint: "http://victorialogs:9428/insert/opentelemetry" would be sent to in plaintext; '
        "write https://, "
        "or victorialogs.plaintext: true where the network is trusted",
    ),
    "an address of another protocol": (
        {"/insert/opentelemetry": "/insert/opentelemetry/v1/logs"},
        '38:13: victorialogs.endpoint: "http://127.0.0.1:9428/insert/opentelemetry/v1/logs" is not the OTLP address of '
        'a store; write "http://127.0.0.1:9428/insert/opentelemetry"',
    ),
    "an address without a path": (
        {"/insert/opentelemetry": ""},
        '38:13: victorialogs.endpoint: "http://127.0.0.1:9428" is not the OTLP address of a store; '
        'write "http://127.0.0.1:9428/insert/opentelemetry"',
    ),
    "the address of Loki's own protocol": (
        {"loki: null": "loki: {endpoint: 'http://127.0.0.1:3100/loki/api/v1/push'}"},
        '34:18: loki.endpoint: "http://127.0.0.1:3100/loki/api/v1/push" is not the OTLP address of a store; '
        'write "http://127.0.0.1:3100/otlp"',
    ),
    "a small queue": (
        {"size: 1GiB": "size: 1MiB"},
        "100:9: queue.size is less than 8MiB, which a few requests fill; write 8MiB or more",
    ),
    "an agent without gateways": (
        {"role: standalone": "role: agent"},
        "5:1: gateways is missing, which an agent sends to; write gateways: {endpoints: [...]}",
    ),
    "nowhere to send": (
        {"prometheus:\n  endpoint: http://127.0.0.1:9090/api/v1/write": "prometheus: null"},
        "5:1: metrics have no destination; write prometheus: {endpoint: ...}, or vendor",
    ),
    "a literal secret": (
        {"\ntoken: null": "\ntoken: hunter2"},
        "23:8: token: the value (not shown) is not a reference to a secret; "
        'write "${env:NAME}", or the path of a file that holds it',
    ),
    "a literal secret in a header": (
        {"4327": '4327\n  headers: {Authorization: "Bearer hunter2"}'},
        '46:28: jaeger.headers.Authorization has a secret in it; write "${env:NAME}" in its place',
    ),
    "a literal secret in an exporter": (
        {"exporters: {}": "exporters: {kafka: {signals: [logs], settings: {auth: {password: hunter2}}}}"},
        '127:66: exporters.kafka.settings.auth.password has a secret in it; write "${env:NAME}" in its place',
    ),
    "half a pair of keys": (
        {"4327": "4327\n  certificate: /etc/tls.crt"},
        "45:3: jaeger: certificate and key belong together; write both or none",
    ),
    "a run id as label": (
        {"\nlabels: []": "\nlabels: [run_id]"},
        '88:10: labels[0]: "run_id" cannot be a label, because it is another one for each run, and would make an '
        "unbounded number of series; remove it",
    ),
    "a rule for a metric of ours": (
        {"metrics: {}": "metrics: {batch.job.duration: {labels: [region]}}"},
        "91:31: metrics.batch.job.duration: the labels of batchtel's own metrics are fixed; remove it",
    ),
    "a rule for a name that Prometheus writes like one of ours": (
        {"metrics: {}": "metrics: {total.batch-job_runs: {labels: [region]}}"},
        "91:33: metrics.total.batch-job_runs: Prometheus would write it into the series of batchtel or the collector; "
        "give the metric another name",
    ),
    "values of a label that is not kept": (
        {"metrics: {}": "metrics: {shop.orders: {values: {region: [eu]}}}"},
        "91:42: metrics.shop.orders.values.region: region is not among its labels; write labels: [region]",
    ),
    "a pipeline that there is not": (
        {"receivers: {}": "receivers: {jaeger: {signals: [spans]}}"},
        '124:32: receivers.jaeger.signals[0]: "spans" is not a choice; write metrics or traces or logs',
    ),
}


@pytest.mark.parametrize("contradiction", CONTRADICTIONS)
def test_a_contradiction_has_its_place(contradiction: str) -> None:
    """What is wrong only beside another key is reported with the line to change, and no secret is repeated."""
    replaced, message = CONTRADICTIONS[contradiction]
    text = LOCAL
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    output = refusal(text)
    assert output == f"1 problem in the environment mine.yaml\n  mine.yaml:{message}"
    assert "hunter2" not in output


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            'prometheus: {endpoint: "https://u:hunter2@prom.example/api"}',
            'prometheus.endpoint: "https://prom.example/api" has a password in it, which would be printed '
            "with the configuration; remove it",
        ),
        (
            'jaeger: {endpoint: "u:hunter2@h:4317"}',
            'jaeger.endpoint: "h:4317" is not host:port; write for example "127.0.0.1:4317" with a port '
            "from 1 to 65535",
        ),
        (
            'loki: {endpoint: "https://prom.example/api?api_key=hunter2hunter2"}',
            'loki.endpoint: "https://prom.example/api?api_key=[redacted]" has a query, which no destination can have; '
            "remove it",
        ),
        (
            "jobs: {endpoint: x}",
            'jobs.endpoint: "x" is not a web address; write for example "http://127.0.0.1:4318"',
        ),
        (
            'vendor: {endpoint: "https://o.example", headers: {"bad key": "${env:A}"}}',
            'vendor.headers: "bad key" is not the name of a header; write letters, digits and -, '
            'such as "X-Scope-OrgID"',
        ),
        ("metrics: {a: {<<: {drop: true}}}", "a merge key (<<) is not allowed; write the keys out"),
        ("\ttags: [a]", "not YAML: a tab; indent with spaces"),
    ],
)
def test_a_mistake_has_its_own_example_and_no_password(line: str, message: str) -> None:
    """The example is that of the key, and what could be a credential in the value is not repeated."""
    text = refusal(f"base: local\nname: mine\n{line}\n")
    assert text.partition("mine.yaml:3:")[2].partition(": ")[2] == message
