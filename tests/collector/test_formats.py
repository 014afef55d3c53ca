"""Formats of platforms: right for the platform, the whole configuration inside, and everything there that it needs."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from batchtel.cli.main import main
from batchtel_collector.check.secrets import secrets_in
from batchtel_collector.environment.load import load
from batchtel_collector.environment.role_variants import Variant, variants
from batchtel_collector.render.configuration import render
from batchtel_collector.render.formats import FormatError, formatted, forms
from batchtel_collector.render.platform_needs import IMAGE, JOB_IMAGE, OWN_IMAGE, USER, needs, parts
from batchtel_collector.render.pods import SECRETS, pods, with_token_files

IN_PODS = [one for one in variants() if "kubernetes" in forms(one.environment())]
NEWEST_KUBERNETES = "1.37"
OLDEST_KUBERNETES = "1.29"


@pytest.fixture(params=IN_PODS, ids=lambda variant: variant.stem)
def variant(request: pytest.FixtureRequest) -> Variant:
    """Each shipped environment and role that can run in pods."""
    found: Variant = request.param
    return found


@cache
def manifests(variant: Variant) -> dict[str, Any]:
    """Return the manifests of a variant by kind."""
    text = formatted(variant.environment(), "kubernetes", variant.stem)
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(text)}


def pod(variant: Variant) -> dict[str, Any]:
    """Return the pod's specification."""
    found = manifests(variant)
    specification: dict[str, Any] = (found.get("DaemonSet") or found["StatefulSet"])["spec"]["template"]["spec"]
    return specification


@cache
def values(variant: Variant) -> Any:
    """Return the values of the chart."""
    return yaml.safe_load(formatted(variant.environment(), "helm", variant.stem))


@cache
def configuration(variant: Variant) -> str:
    """Return the configuration alone."""
    return render(variant.environment())


@cache
def in_pods(variant: Variant) -> str:
    """Return the configuration with a file for each token, as pods have it."""
    return render(with_token_files(variant.environment()))


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, NEWEST_KUBERNETES])
def test_manifests_are_valid_for_kubernetes(variant: Variant, version: str) -> None:
    """Each manifest follows the schema of its kind, strictly: no key that Kubernetes would drop in silence."""
    found = manifests(variant)
    always = {"ConfigMap", "Service", "ServiceAccount", "NetworkPolicy"}
    assert set(found) - always == {
        "production-agent": {"DaemonSet", "PriorityClass"},
        "staging-agent": {"DaemonSet", "PriorityClass"},
        "production-gateway": {"StatefulSet", "PodDisruptionBudget"},
        # One collector: whatever ends it ends all that there are.
        "staging-gateway": {"StatefulSet"},
        "vendor": {"StatefulSet"},
    }.get(variant.stem)
    for manifest in found.values():
        kubernetes_validate.validate(manifest, version, strict=True)
    broken = {**found["Service"], "spec": {**found["Service"]["spec"], "clusterIp": "None"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def test_pods_have_the_whole_configuration(variant: Variant) -> None:
    """Not a line of it is changed on its way into a ConfigMap or into the values of the chart."""
    text = in_pods(variant)
    assert manifests(variant)["ConfigMap"]["data"]["collector.yaml"] == text
    assert values(variant)["alternateConfig"] == yaml.safe_load(text)
    # The chart would read it as a template of its own.
    assert "{{" not in text


def test_pods_have_all_variables_and_files(variant: Variant) -> None:
    """Each variable that the configuration names is set, secrets from a secret; each file lies in a mounted folder."""
    text = in_pods(variant)
    (container,) = pod(variant)["containers"]
    for environment, mounts in (
        (container["env"], container["volumeMounts"]),
        (values(variant)["extraEnvs"], values(variant)["extraVolumeMounts"]),
    ):
        variables = {variable["name"]: variable for variable in environment}
        assert set(re.findall(r"\$\{env:(\w+)", text)) <= set(variables)
        # A header is the only secret that the collector cannot read from a file.
        secret = [name for name, variable in variables.items() if "secretKeyRef" in variable.get("valueFrom", {})]
        assert secret == (["VENDOR_API_KEY"] if variant.stem == "vendor" else [])
        folders = {mount["mountPath"] for mount in mounts}
        files = re.findall(r'(?:_file|filename|certificate|client_key): "([^"]+)"', text)
        assert {str(PurePosixPath(file).parent) for file in files} <= folders
        queue = yaml.safe_load(text)["extensions"]["file_storage/queue"]["directory"]
        assert queue in folders


def test_the_name_of_a_collector_outlives_its_pod(variant: Variant) -> None:
    """That of the node, or of a pod of a StatefulSet: each new value would be a new series of every metric."""
    expected = "spec.nodeName" if variant.role == "agent" else "metadata.name"
    for environment in (pod(variant)["containers"][0]["env"], values(variant)["extraEnvs"]):
        (instance,) = [variable for variable in environment if variable["name"] == "BATCHTEL_INSTANCE"]
        assert instance["valueFrom"]["fieldRef"]["fieldPath"] == expected


def test_each_role_has_its_own_secrets_and_a_ca_without_a_key(variant: Variant) -> None:
    """A key is only in the Secret of its role, and the CA in a ConfigMap that jobs mount, too."""
    found = pods(variant.environment(), in_pods(variant), needs(variant.environment(), in_pods(variant)).workload)
    tls = "batchtel-tls" if variant.role == "standalone" else f"batchtel-{variant.role}-tls"
    assert found.certificates == {"/etc/batchtel/tls": tls}
    # Only agents verify somebody by a CA of one's own.
    assert found.authorities == ({"/etc/batchtel/ca": "batchtel-ca"} if variant.role == "agent" else {})
    tokens = {"agent": "batchtel-metrics-token", "gateway": "batchtel-stores-token"}.get(variant.role or "")
    assert set(found.secret_files.values()) == {"batchtel-token", *([tokens] if tokens else [])}
    assert SECRETS not in found.certificates


def test_every_mount_has_a_volume(variant: Variant) -> None:
    """Queues are on the node or a claim, since an emptyDir is gone with the pod."""
    specification, found = pod(variant), manifests(variant)
    claims = found["StatefulSet"]["spec"]["volumeClaimTemplates"] if "StatefulSet" in found else []
    volumes = {volume["name"]: volume for volume in specification["volumes"]}
    names = set(volumes) | {claim["metadata"]["name"] for claim in claims}
    assert {mount["name"] for mount in specification["containers"][0]["volumeMounts"]} == names
    assert not any("emptyDir" in volume for volume in volumes.values())
    chart = values(variant)
    chart_names = {volume["name"] for volume in chart.get("extraVolumes", [])}
    chart_names |= {claim["metadata"]["name"] for claim in chart.get("statefulset", {}).get("volumeClaimTemplates", [])}
    assert {mount["name"] for mount in chart["extraVolumeMounts"]} == chart_names


@pytest.mark.parametrize(
    ("name", "role", "overrides"),
    [
        *((one.name, one.role, {}) for one in variants()),
        ("production", "gateway", {"vendor": {"endpoint": "https://otlp.example.com"}}),
        ("production", "gateway", {"vendor": {"endpoint": "https://otlp.example.com"}, "loki": None}),
        ("production", "agent", {"vendor": {"endpoint": "https://otlp.example.com"}}),
    ],
)
def test_there_is_room_for_every_queue(name: str, role: str, overrides: dict[str, object]) -> None:
    """One queue for each signal of each exporter that waits on disk, as in the configuration; late records; totals."""
    environment = load(name, overrides, role=role)
    configuration = yaml.safe_load(render(environment))
    on_disk = {
        name for name, part in configuration["exporters"].items() if part.get("sending_queue", {}).get("storage")
    }
    queues = {
        (pipeline.partition("/")[0], exporter)
        for pipeline, parts in configuration["service"]["pipelines"].items()
        for exporter in on_disk.intersection(parts["exporters"])
    }
    of_one = configuration["extensions"]["file_storage/queue"]["max_size"] // 2**20
    files = configuration["exporters"].get("file/late", {}).get("rotation", {"max_megabytes": 0, "max_backups": 0})
    late = files["max_megabytes"] * (files["max_backups"] + 1)
    limits = configuration["processors"].get("run_rollup", {}).get("limits")
    # Of the processor's README: 64 MiB and three snapshots, of 0.2 KiB a series and 0.1 KiB a stream.
    totals = 64 + 3 * (limits["series"] * 0.2 + limits["writer_streams"] * 0.1) / 1024 if limits else 0
    room = needs(environment, render(environment)).disk_mebibytes - len(queues) * of_one - late
    assert totals <= room <= totals * 1.02


def test_small_changes_keep_the_claim() -> None:
    """A StatefulSet rejects each change of its claims, so they are rounded up; what they hold always fits."""
    sizes = []
    for overrides in ({}, {"memory_limit": "2GiB"}, {"series_limit": 100_000}, {"queue": {"size": "8GiB"}}):
        environment = load("production", overrides, role="gateway")
        found = needs(environment, render(environment))
        assert found.claim_gibibytes * 1024 >= found.disk_mebibytes
        sizes.append(found.claim_gibibytes)
    assert sizes == [20, 20, 20, 40]


@pytest.mark.parametrize("form", ["compose", "kubernetes", "helm"])
@pytest.mark.parametrize(
    ("role", "aggregation", "image"),
    [
        ("gateway", "exact", OWN_IMAGE),
        ("gateway", "stock", IMAGE),
        ("agent", "exact", OWN_IMAGE),
        ("agent", "stock", IMAGE),
    ],
)
def test_the_image_has_every_component(role: str, aggregation: str, image: str, form: str) -> None:
    """The official image has no run_rollup; only where that is not rendered it is the image, and boot is a label."""
    environment = load("production", {"aggregation": aggregation}, role)
    text = formatted(environment, form, "mine")
    repository, _, tag = image.partition(":")
    assert (f'repository: "{repository}"\n  tag: "{tag}"\n' if form == "helm" else f'image: "{image}"\n') in text
    assert ("  name: otelcol-batchtel\n" in text) == (form == "helm" and image == OWN_IMAGE)
    assert ("run_rollup:" in render(environment)) == (image == OWN_IMAGE and role == "gateway")
    assert ("BATCHTEL_BOOT" in text) == ("BATCHTEL_BOOT" in render(environment))


def test_a_variable_with_a_default_is_not_asked_of_the_secret() -> None:
    """A pod waits for ever for a key that its secret does not have."""
    environment = load("vendor", {"token": "${env:ASKED}", "queue": {"folder": "${env:UNASKED:-/var/lib}/queue"}})
    found = needs(environment, render(environment))
    assert (found.secrets, found.queue) == (("ASKED", "VENDOR_API_KEY"), "/var/lib/queue")


def test_files_of_overrides_are_mounted(tmp_path: Path) -> None:
    """Those that the overrides name as well as those of the environment, however the merged text quotes them."""
    (tmp_path / "overrides.yaml").write_text(
        "exporters: {otlp_http/more: {endpoint: 'https://more.example.com', tls: {ca_file: /etc/more/ca.crt}}}\n",
        encoding="utf-8",
    )
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: production\nname: mine\noverrides: ./overrides.yaml\n", encoding="utf-8")
    found = yaml.safe_load(formatted(load(str(mine), role="gateway"), "compose", "mine"))
    mounted = {volume["target"] for volume in found["services"]["batchtel-gateway"]["volumes"]}
    without = yaml.safe_load(formatted(load("production", role="gateway"), "compose", "production"))
    usual = {volume["target"] for volume in without["services"]["batchtel-gateway"]["volumes"]}
    assert "/etc/batchtel/tls" in usual
    assert mounted == usual | {"/etc/more"}


def test_a_volume_needs_a_place() -> None:
    """A folder that depends on the environment of the running collector cannot be mounted."""
    environment = load("vendor", {"queue": {"folder": "${env:SOMEWHERE}/queue"}})
    with pytest.raises(FormatError) as refused:
        formatted(environment, "kubernetes", "vendor")
    assert str(refused.value) == (
        "queue.folder of vendor refers to SOMEWHERE, and kubernetes needs a fixed path for its volume; "
        'write a folder, such as "/var/lib/batchtel/queue"'
    )


def test_pods_are_locked_down(variant: Variant) -> None:
    """Not root, no capability, no new privilege, nothing writable but the queue, no token of the cluster, limits."""
    specification = pod(variant)
    (container,) = specification["containers"]
    for security in (container["securityContext"], values(variant)["securityContext"]):
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
    for security in (specification["securityContext"], values(variant)["podSecurityContext"]):
        assert (security["runAsNonRoot"], security["runAsUser"], security["fsGroup"]) == (True, USER, USER)
    assert specification["automountServiceAccountToken"] is False
    assert manifests(variant)["ServiceAccount"]["automountServiceAccountToken"] is False
    assert container["image"] == OWN_IMAGE
    limit = variant.environment().memory_limit // 2**20
    assert container["resources"]["limits"]["memory"] == f"{limit * 5 // 4}Mi"
    assert values(variant)["resources"] == container["resources"]
    assert values(variant)["initContainers"] == specification["initContainers"]
    roots = [one["name"] for one in specification["initContainers"] if one["securityContext"].get("runAsUser") == 0]
    assert roots == (["owner"] if variant.role == "agent" else [])


def test_own_log_records_reach_the_store_from_pods() -> None:
    """The exporter of the collector's own records has no authenticator, so the token of the file is in its header."""
    (gateway,) = variants("production", "gateway")
    telemetry = yaml.safe_load(in_pods(gateway))["service"]["telemetry"]["logs"]["processors"]
    (header,) = telemetry[0]["batch"]["exporter"]["otlp"]["headers"]
    assert header == {"name": "Authorization", "value": f"Bearer ${{file:{SECRETS}/BATCHTEL_STORES_TOKEN}}"}
    # Elsewhere `config check` would need the file.
    elsewhere = load("production", {"loki": {"token": "/run/secrets/token"}}, "gateway")
    assert "processors" not in yaml.safe_load(render(elsewhere))["service"]["telemetry"]["logs"]


def test_images_of_the_environment_are_named() -> None:
    """In every format; the chart has the parts of a name."""
    digest = "sha256:" + 64 * "a"
    images = {"collector": f"registry.example.com:5000/batchtel@{digest}", "job": "registry.example.com/job:7"}
    environment = load("production", {"images": images}, "agent")
    found = {form: formatted(environment, form, "mine") for form in ("kubernetes", "helm", "compose")}
    for form in ("kubernetes", "compose"):
        assert f'image: "{images["collector"]}"\n' in found[form]
    chart = yaml.safe_load(found["helm"])
    assert chart["image"] == {"repository": "registry.example.com:5000/batchtel", "tag": "", "digest": digest}
    workload = next(one for one in yaml.safe_load_all(found["kubernetes"]) if one["kind"] == "DaemonSet")
    for init in (chart["initContainers"], workload["spec"]["template"]["spec"]["initContainers"]):
        assert {one["image"] for one in init} == {images["job"]}
        assert JOB_IMAGE not in str(init)
    assert parts("a/b:1") == ("a/b", "1", "")


def test_agents_stay_off_nodes_that_cannot_run_them() -> None:
    """Windows, the virtual kubelet and Fargate would keep an agent pending, and each update waiting."""
    terms = pod(variants("production", "agent")[0])["affinity"]["nodeAffinity"]
    (term,) = terms["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert {one["key"]: one["operator"] for one in term["matchExpressions"]} == {
        "kubernetes.io/os": "In",
        "type": "NotIn",
        "eks.amazonaws.com/compute-type": "NotIn",
    }


def test_policies_have_the_ports_of_the_environment(variant: Variant) -> None:
    """Whoever sends, and where the collector itself sends; no other connection is allowed."""
    policy = manifests(variant)["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    ports = [sorted({port["port"] for port in rule["ports"]}) for rule in policy["egress"]]
    assert ports == {
        "agent": [[53, 5353], [4317], [443]],
        "gateway": [[53, 5353], [443, 4317]],
    }.get(variant.role or "", [[53, 5353], [443]])
    assert values(variant)["networkPolicy"]["egressRules"] == policy["egress"]
    (rule,) = policy["ingress"]
    senders = {"batchtel/role": "agent"} if variant.role == "gateway" else {"batchtel/jobs": "true"}
    assert senders in [part["matchLabels"] for part in rule["from"][0].values() if part]


def test_agents_find_each_gateway_by_its_name() -> None:
    """The names of pods and service are those that the environment's agents send to, as many as there are."""
    (gateway,) = variants("production", "gateway")
    found = manifests(gateway)
    service, workload = found["Service"], found["StatefulSet"]
    port = service["spec"]["ports"][0]["port"]
    names = [
        f"{workload['metadata']['name']}-{index}.{workload['spec']['serviceName']}:{port}"
        for index in range(workload["spec"]["replicas"])
    ]
    section = load("production", role="agent").gateways
    assert section is not None
    assert names == section.addresses
    assert service["metadata"]["name"] == workload["spec"]["serviceName"]
    assert service["spec"]["clusterIP"] == values(gateway)["service"]["clusterIP"] == "None"


def test_jobs_find_the_agent_of_their_node() -> None:
    """The endpoint in `batchtel config variables` is the agent's service, which stays on the node."""
    (agent,) = variants("production", "agent")
    service = manifests(agent)["Service"]
    assert load("production").jobs.endpoint == f"https://{service['metadata']['name']}:4318"
    assert service["spec"]["internalTrafficPolicy"] == "Local"


@pytest.mark.parametrize("one", variants(), ids=lambda variant: variant.stem)
def test_compose_services_have_what_they_need(one: Variant) -> None:
    """Every variable is set or asked for, files are mounted, and loopback listeners are the machine's own."""
    settings = one.environment()
    text = configuration(one)
    composed = yaml.safe_load(formatted(settings, "compose", one.stem))
    required = needs(settings, text)
    prepare, service = composed["services"]["prepare"], composed["services"][required.workload]
    assert len(composed["services"]) == 2
    assert prepare["entrypoint"][-1] == required.queue
    assert prepare["volumes"] == [{"type": "volume", "source": "queue", "target": required.queue}]
    assert set(re.findall(r"\$\{env:(\w+)", text)) <= set(service["environment"])
    for secret in required.secrets:
        assert service["environment"][secret] == f"${{{secret}:?set it where docker is called}}"
    # Compose has $ for itself, and $$ for one of the content.
    assert composed["configs"]["collector"]["content"].replace("$$", "$") == text
    targets = {volume["target"] for volume in service["volumes"]}
    queue = yaml.safe_load(text)["extensions"]["file_storage/queue"]["directory"]
    assert targets == {queue.replace("${env:HOME}", service["environment"]["HOME"]), *required.folders}
    on_loopback = settings.listen.otlp_http.startswith("127.")
    assert (service.get("network_mode") == "host", "ports" in service) == (on_loopback, not on_loopback)
    health = settings.listen.health.rpartition(":")[2]
    assert service["healthcheck"]["test"] == ["CMD", "/healthcheck", f"http://127.0.0.1:{health}/"]


@pytest.mark.parametrize("one", variants(), ids=lambda variant: variant.stem)
def test_no_format_has_a_secret(one: Variant) -> None:
    """References only; a secret is asked for where the platform keeps such things."""
    settings = one.environment()
    for form in set(forms(settings)) - {"systemd"}:  # not YAML; tests/collector/test_systemd.py
        for document in yaml.safe_load_all(formatted(settings, form, one.stem)):
            # The configuration, which is checked as such.
            document.pop("data", None)
            document.pop("configs", None)
            found = secrets_in(yaml.safe_dump(document))
            # The name of a secret is none, nor is a variable that Compose asks for.
            lines = [problem.message for problem in found]
            named = [line for line in lines if "secretName" not in line and ".environment." not in line]
            assert named == []


def test_what_no_pod_reaches_is_not_rendered() -> None:
    """A loopback listener within a pod would receive nothing; exit code 2."""
    result = CliRunner().invoke(main, ["config", "render", "--env", "local", "--format", "kubernetes"])
    assert (result.exit_code, result.stderr) == (
        2,
        "error: local listens on loopback, where no other pod reaches it, so there is nothing to render for "
        "kubernetes; write listen.otlp_grpc, listen.otlp_http and listen.health with 0.0.0.0, and tls and token\n",
    )


def test_statsd_that_is_open_is_reached_by_airflow_in_another_container() -> None:
    """Its port is published over UDP in every format where it is open, and in none where it is on loopback."""
    opened = load("production", {"listen": {"statsd": "0.0.0.0:8125"}}, "gateway")
    found = {form: yaml.safe_load_all(formatted(opened, form, "mine")) for form in ("kubernetes", "helm", "compose")}
    by_kind = {one["kind"]: one["spec"] for one in found["kubernetes"] if "spec" in one}
    udp = {"port": 8125, "targetPort": "statsd", "protocol": "UDP", "name": "statsd"}
    assert udp in by_kind["Service"]["ports"]
    (container,) = by_kind["StatefulSet"]["template"]["spec"]["containers"]
    assert {"name": "statsd", "containerPort": 8125, "protocol": "UDP"} in container["ports"]
    (chart,) = found["helm"]
    assert (chart["ports"]["statsd"]["containerPort"], chart["ports"]["statsd"]["protocol"]) == (8125, "UDP")
    (compose,) = found["compose"]
    assert "8125:8125/udp" in compose["services"]["batchtel-gateway"]["ports"]
    closed = load("production", {"listen": {"statsd": "127.0.0.1:8125"}}, "gateway")

    assert "udp" not in str(yaml.safe_load(formatted(closed, "compose", "mine"))["services"])
