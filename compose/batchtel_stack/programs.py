"""The programs as the stack runs them: command line, environment, configuration files, readiness address."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from batchtel.catalogue import reader
from batchtel.catalogue.zones import NoZonesError
from batchtel_collector.environment.durations_and_sizes import go_duration
from batchtel_collector.environment.load import load
from batchtel_collector.environment.merging import merge
from batchtel_collector.environment.model import Environment as Settings
from batchtel_collector.environment.values import required_variables
from batchtel_collector.render.configuration import render
from batchtel_dashboards import rules
from batchtel_dashboards.alerts import alertmanager, expected, links, rule_file
from batchtel_dashboards.alerts.alert import Jobs
from batchtel_dashboards.alerts.links import Links
from batchtel_stack import backend_files
from batchtel_stack.errors import UnavailableError, WrongInputError
from batchtel_stack.ports import HOST, Ports

PROGRAMS: Final = ("prometheus", "alertmanager", "victorialogs", "jaeger", "collector")
"""Their names, in the order of their start: backends before the collector, which would retry."""

UI: Final = "ui"
"""The name of batchtel's own pages, which `batchtel stack up` starts, too."""


@dataclass(frozen=True)
class Options:
    """The options of a stack.

    Attributes:
        data: absolute path of the folder for all files of the stack.
        ports: its ports.
        environment: name or path of the collector's environment.
        export_interval: how often series are written and rules are evaluated, e.g. "15s"; the environment's when None.
        query_lookback_delta: Prometheus' flag of that name; its default of 5 minutes when None.
        overrides: more settings of the environment, nested like its file.
        only_collector: no stores of its own, the collector delivers to those of the environment.
        ui: pages for a browser, too.
    """

    data: Path
    ports: Ports = field(default_factory=Ports)
    environment: str = "local"
    export_interval: str | None = None
    query_lookback_delta: str | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    only_collector: bool = False
    ui: bool = False


@dataclass(frozen=True)
class Program:
    """One program of a stack, ready to be started.

    Attributes:
        name: its name for users, and that of its binary.
        arguments: the command line after the binary.
        files: path -> text of the configuration files that it reads.
        url: its address.
        ready: the address that answers 200 when it is ready.
        variables: added to its environment.
    """

    name: str
    arguments: tuple[str, ...]
    files: Mapping[Path, str]
    url: str
    ready: str
    variables: Mapping[str, str] = field(default_factory=dict)


def programs(options: Options, boot: int) -> tuple[Program, ...]:
    """Return the programs in the order of their start.

    Args:
        options: the stack.
        boot: Unix time of the start; it distinguishes the collector's processes in its series.

    Raises:
        InputError: the environment or its rendering is wrong.
        WrongInputError: a variable that it refers to is not set.
        UnavailableError: its catalogue needs a database of time zones, and this machine has none.
    """
    environment = configured(options)
    retention = environment.retention
    if options.only_collector:
        return (_collector(options, environment, boot),)
    return (
        _prometheus(options, environment),
        _alertmanager(options),
        _victorialogs(options, retention.detail),
        _jaeger(options, go_duration(retention.detail)),
        _collector(options, environment, boot),
        *([_ui(options, environment)] if options.ui else []),
    )


def configured(options: Options) -> Settings:
    """Return the environment of a stack: the named one, with the settings of the stack over it.

    Raises:
        InvalidEnvironmentError: the environment is wrong.
    """
    settings = _listeners(options) | ({} if options.only_collector else _own_stores(options.ports))
    if options.export_interval is not None:
        settings["export_interval"] = options.export_interval
    merge(settings, options.overrides)
    return load(options.environment, settings)


def replaced(options: Options) -> list[str]:
    """Return the stores of the named environment that a stack with stores of its own does not deliver to.

    Raises:
        InvalidEnvironmentError: the environment is wrong.
    """
    if options.only_collector:
        return []
    named = load(options.environment)
    return [key for key in ("loki", "tempo") if getattr(named, key) is not None]


def _prometheus(options: Options, environment: Settings) -> Program:
    file = options.data / "prometheus" / "prometheus.yml"
    port = options.ports.prometheus
    alerts = options.data / "prometheus" / "alerts.yaml"
    arguments = [
        f"--config.file={file}",
        f"--storage.tsdb.path={options.data / 'prometheus' / 'tsdb'}",
        f"--storage.tsdb.retention.time={go_duration(environment.retention.metrics)}",
        f"--web.listen-address={HOST}:{port}",
        "--web.enable-remote-write-receiver",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    if options.query_lookback_delta is not None:
        arguments.append(f"--query.lookback-delta={options.query_lookback_delta}")
    text = backend_files.prometheus(
        environment.export_interval,
        [str(path) for path in (*([rules.path()] if environment.aggregation == "stock" else []), alerts)],
        f"{HOST}:{options.ports.alertmanager}",
    )
    leads = Links(ui=_page(options)) if options.ui else links.DEFAULT
    files = {file: text, alerts: rule_file.text(_expected(environment), environment.aggregation, leads)}
    return Program("prometheus", tuple(arguments), files, f"http://{HOST}:{port}", f"http://{HOST}:{port}/-/ready")


def _expected(environment: Settings) -> Jobs:
    catalogue = environment.catalogue
    if catalogue is None or catalogue.file is None:
        return ()
    try:
        return expected.jobs(reader.read(catalogue.file))
    except NoZonesError as error:
        raise UnavailableError(f"cannot compute the schedules of {catalogue.file}: {error}") from None


def _alertmanager(options: Options) -> Program:
    file = options.data / "alertmanager" / "alertmanager.yaml"
    port = options.ports.alertmanager
    arguments = (
        f"--config.file={file}",
        f"--storage.path={options.data / 'alertmanager'}",
        f"--web.listen-address={HOST}:{port}",
        # Empty: no cluster, which would listen on all addresses.
        "--cluster.listen-address=",
        "--log.level=warn",
    )
    files = {file: alertmanager.local()}
    return Program("alertmanager", arguments, files, f"http://{HOST}:{port}", f"http://{HOST}:{port}/-/ready")


def _victorialogs(options: Options, retention: timedelta) -> Program:
    port = options.ports.victorialogs
    arguments = (
        f"-storageDataPath={options.data / 'victorialogs'}",
        # Whole days only; older data is rejected and deleted.
        f"-retentionPeriod={math.ceil(retention / timedelta(days=1))}d",
        f"-httpListenAddr={HOST}:{port}",
        # It acknowledges data in memory: kill -9 loses what is younger than this. The minimum is 1 s.
        "-inmemoryDataFlushInterval=1s",
        "-loggerLevel=WARN",
    )
    return Program("victorialogs", arguments, {}, f"http://{HOST}:{port}", f"http://{HOST}:{port}/health")


def _jaeger(options: Options, retention: str) -> Program:
    file = options.data / "jaeger" / "jaeger.yaml"
    port = options.ports.jaeger
    text = backend_files.jaeger(HOST, options.ports, str(options.data / "jaeger"), retention)
    return Program(
        "jaeger",
        ("--config", str(file)),
        {file: text},
        f"http://{HOST}:{port}",
        f"http://{HOST}:{port}/api/v3/services",
    )


def _collector(options: Options, environment: Settings, boot: int) -> Program:
    file = options.data / "collector" / "collector.yaml"
    text = render(environment)
    unset = {name for name in required_variables(text) if name not in os.environ}
    if unset:
        needs = f"the environment {environment.name} needs {', '.join(sorted(unset))}"
        raise WrongInputError(f"{needs}; export them, then try again")
    return Program(
        "collector",
        ("--config", str(file)),
        {file: text},
        f"http://{HOST}:{options.ports.otlp_http}",
        f"http://{HOST}:{options.ports.collector_health}",
        {"BATCHTEL_BOOT": str(boot)},
    )


def _ui(options: Options, environment: Settings) -> Program:
    file = options.data / UI / "environment.yaml"
    stores = {key: settings for key, settings in _own_stores(options.ports).items() if settings is not None}
    text = json.dumps({"base": "local", "aggregation": environment.aggregation, **stores}, indent=2)
    arguments = ["-P", "-m", "batchtel", "ui", "--env", str(file), "--host", HOST, "--port", str(options.ports.ui)]
    if environment.catalogue is not None and environment.catalogue.file is not None:
        arguments += ["--catalogue", str(environment.catalogue.file)]
    # What the caller has set is for pages of their own: a token, and a catalogue by a path from another folder.
    variables = {"BATCHTEL_UI_TOKEN": "", "BATCHTEL_CATALOGUE": ""}
    return Program(UI, tuple(arguments), {file: f"{text}\n"}, _page(options), f"{_page(options)}/healthz", variables)


def _page(options: Options) -> str:
    return f"http://{HOST}:{options.ports.ui}"


def _listeners(options: Options) -> dict[str, object]:
    ports = options.ports
    return {
        "listen": {
            "otlp_grpc": f"{HOST}:{ports.otlp_grpc}",
            "otlp_http": f"{HOST}:{ports.otlp_http}",
            "health": f"{HOST}:{ports.collector_health}",
            "metrics": f"{HOST}:{ports.collector_metrics}",
            "scrape": f"{HOST}:{ports.collector_series}",
        },
        "queue": {"folder": str(options.data / "collector" / "queue")},
    }


def _own_stores(ports: Ports) -> dict[str, object]:
    """Return the stack's stores, which replace those of the environment."""
    return {
        "prometheus": {"endpoint": f"http://{HOST}:{ports.prometheus}/api/v1/write", "query": None},
        "loki": None,
        "victorialogs": {"endpoint": f"http://{HOST}:{ports.victorialogs}/insert/opentelemetry", "query": None},
        "tempo": None,
        "jaeger": {"endpoint": f"{HOST}:{ports.jaeger_otlp}", "query": f"http://{HOST}:{ports.jaeger}"},
    }
