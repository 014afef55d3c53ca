"""Units of systemd: valid, hardened, and with everything that the configuration needs; tests/systemd starts them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from batchtel_collector.environment.load import load
from batchtel_collector.environment.role_variants import Variant, variants
from batchtel_collector.render.configuration import render
from batchtel_collector.render.formats import FormatError, formatted
from batchtel_collector.render.platform_needs import needs
from batchtel_collector.render.quoting import in_unit

EXPOSURE = 15
"""Tenths that `systemd-analyze security` may report, of 100: 1.4 was measured. Most of it is the network."""

ALL = variants()


def _settings(text: str) -> dict[str, list[str]]:
    """Return the settings of a unit: name -> values in order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def _unit(variant: Variant) -> str:
    return formatted(variant.environment(), "systemd", variant.stem)


def _analyze(text: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Analyze a unit whose programs exist, as `verify` looks for them."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze (Debian: systemd)")
    file = folder / "batchtel-test.service"
    file.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE), encoding="utf-8")
    return subprocess.run(
        ["systemd-analyze", *arguments, str(file)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("one", ALL, ids=lambda variant: variant.stem)
def test_units_are_valid(one: Variant, tmp_path: Path) -> None:
    """Systemd finds no setting that it would ignore."""
    verified = _analyze(_unit(one), tmp_path, "verify")
    assert (verified.returncode, verified.stderr) == (0, "")


def test_a_misspelled_setting_is_found(tmp_path: Path) -> None:
    """The check above can fail."""
    verified = _analyze(_unit(ALL[0]).replace("ProtectHome=", "ProtectHomes="), tmp_path, "verify")
    assert "'ProtectHomes'" in verified.stderr


@pytest.mark.parametrize("one", ALL, ids=lambda variant: variant.stem)
def test_units_are_hardened(one: Variant, tmp_path: Path) -> None:
    """Systemd's own measure of what a service could do; one capability more is over the limit."""
    measure = ("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}")
    measured = _analyze(_unit(one), tmp_path, *measure)
    if "unrecognized option" in measured.stderr:
        pytest.skip("this systemd-analyze measures running services only; 250 measures files")
    assert measured.returncode == 0, measured.stdout
    weaker = _unit(one).replace("CapabilityBoundingSet=\n", "CapabilityBoundingSet=CAP_SYS_ADMIN\n")
    assert _analyze(weaker, tmp_path, *measure).returncode == 1


@pytest.mark.parametrize("one", ALL, ids=lambda variant: variant.stem)
def test_units_have_what_their_configuration_needs(one: Variant) -> None:
    """Memory and queue are those of the environment, no variable is missing, and no secret is in the unit."""
    environment, text = one.environment(), _unit(one)
    configuration, settings = render(environment), _settings(text)
    required = needs(environment, configuration)
    assert settings["MemoryMax"] == [f"{environment.memory_limit // 2**20 * 5 // 4}M"]
    (state,) = settings["StateDirectory"]
    queue = yaml.safe_load(configuration)["extensions"]["file_storage/queue"]["directory"]
    variables = dict(value.split("=", 1) for value in settings["Environment"])
    assert f"/var/lib/{state}" == queue.replace("${env:HOME}", variables["HOME"])
    named = set(re.findall(r"\$\{env:(\w+)", configuration))
    assert named <= {*variables, *required.secrets}
    assert settings.get("EnvironmentFile", []) == (
        [f"/etc/batchtel/{required.workload}.env"] if named - set(variables) else []
    )
    assert not any("TOKEN" in name or "KEY" in name for name in variables)


@pytest.mark.parametrize("role", ["standalone", "agent", "gateway"])
def test_each_engine_has_its_program(role: str) -> None:
    """`exact` runs in batchtel's own collector, in every role; each start of `stock` has a label of its own."""
    name = "vendor" if role == "standalone" else "production"
    exact = _settings(formatted(load(name, {}, role=role), "systemd", "mine"))
    stock = _settings(formatted(load(name, {"aggregation": "stock"}, role=role), "systemd", "mine"))
    file = f"--config=/etc/batchtel/batchtel{'' if role == 'standalone' else '-' + role}.yaml"
    assert exact["ExecStart"] == [f"/usr/local/bin/otelcol-batchtel {file}"]
    boot = "" if role == "agent" else "/usr/bin/env BATCHTEL_BOOT=${INVOCATION_ID} "
    assert stock["ExecStart"] == [f"{boot}/usr/bin/otelcol-contrib {file}"]
    assert "BATCHTEL_BOOT" not in stock.get("EnvironmentFile", [""])[0]


def test_a_queue_elsewhere_is_the_only_folder_that_can_be_written() -> None:
    """Systemd creates folders below /var/lib only."""
    settings = _settings(formatted(load("vendor", {"queue": {"folder": "/data/50% of it"}}), "systemd", "mine"))
    assert "StateDirectory" not in settings
    assert settings["ReadWritePaths"] == ['"/data/50%% of it"']
    assert settings["ExecStartPre"] == ['-/opt/batchtel/bin/python -m batchtel_stack.queue_files "/data/50%% of it"']


def test_credentials_are_loaded(tmp_path: Path) -> None:
    """Files that are read from the unit's credentials, each once, and none of another unit."""
    here = "/run/credentials/batchtel-agent.service"
    tls = {"certificate": f"{here}/tls.crt", "key": f"{here}/tls.key"}
    environment = load("production", {"tls": tls, "token": f"{here}/token"}, role="agent")
    loaded = _settings(formatted(environment, "systemd", "mine"))["LoadCredential"]
    assert sorted(loaded) == [f"{name}:/etc/batchtel/credentials/{name}" for name in ("tls.crt", "tls.key", "token")]


def test_credentials_that_cannot_be_loaded_are_rejected() -> None:
    """All at once: of another unit, and with a name that systemd does not accept."""
    here = "/run/credentials/batchtel-gateway.service"
    tls = {"certificate": "/run/credentials/batchtel-agent.service/tls.crt", "key": f"{here}/tls key"}
    with pytest.raises(FormatError) as refused:
        formatted(load("production", {"tls": tls}, role="gateway"), "systemd", "mine")
    assert str(refused.value) == (
        "production: /run/credentials/batchtel-agent.service/tls.crt is a credential of another unit; "
        f"write {here}/tls.crt\n"
        f"production: {here}/tls key is no credential that systemd can load; "
        "write a name of letters, digits, ., _ and -"
    )


def test_a_low_port_has_its_capability() -> None:
    """Without users of its own, with which the capability would be none of the machine's."""
    low = load("production", {"listen": {"otlp_http": "0.0.0.0:443"}}, role="gateway")
    settings = _settings(formatted(low, "systemd", "mine"))
    assert settings["AmbientCapabilities"] == settings["CapabilityBoundingSet"] == ["CAP_NET_BIND_SERVICE"]
    assert "PrivateUsers" not in settings
    usual = _settings(formatted(load("production", role="gateway"), "systemd", "mine"))
    assert (usual["CapabilityBoundingSet"], usual["PrivateUsers"]) == ([""], ["yes"])


@pytest.mark.parametrize(
    ("text", "item"),
    [("/var/lib/a", "/var/lib/a"), ("a%b", "a%%b"), ('a "b" \\', r'"a \"b\" \\"'), ("/a;b", '"/a;b"')],
)
def test_items_are_quoted(text: str, item: str) -> None:
    """As systemd.syntax(7) has it."""
    assert in_unit(text) == item
