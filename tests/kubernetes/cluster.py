"""A real control plane on loopback: etcd, the API server, the controllers and the scheduler. Nodes are objects only."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from batchtel_stack import children, ports
from tests.support.polling import until
from tests.support.program import fetch

ZONES: Final = {"node-0": "zone-a", "node-1": "zone-b", "node-2": "zone-c", "tainted": "zone-a"}
"""Name of each node -> its zone. One has a taint, as nodes for one kind of job have."""


class Cluster:
    """A running control plane, and `kubectl` as its administrator."""

    def __init__(self, programs: Mapping[str, Path], folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.kubeconfig = folder / "kubeconfig.yaml"

    def kubectl(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Return what `kubectl` with these arguments printed; it may have failed."""
        return self.run("kubectl", *arguments, text=text)

    def run(self, program: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Return what a program that reads KUBECONFIG printed; it may have failed."""
        return subprocess.run(
            [self.programs[program], *arguments],
            input=text,
            env={"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def succeed(self, *arguments: str, text: str = "") -> str:
        """Return the output of `kubectl`, which must not fail."""
        finished = self.kubectl(*arguments, text=text)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    def apply(self, text: str, namespace: str) -> subprocess.CompletedProcess[str]:
        """Apply manifests as the pages do; an unknown or repeated key is an error."""
        arguments = ("apply", "--server-side", "--validate=strict", "--namespace", namespace, "--filename", "-")
        return self.kubectl(*arguments, text=text)

    def items(self, kind: str, namespace: str, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects of a kind in a namespace."""
        found: list[dict[str, Any]] = json.loads(
            self.succeed("get", kind, "--namespace", namespace, "--output", "json", *arguments)
        )["items"]
        return found

    def namespace(self, name: str, level: str, **labels: str) -> None:
        """Make a namespace with a level of Pod Security admission, as the page does."""
        labels = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn")} | labels
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        self.succeed("apply", "--server-side", "--filename", "-", text=yaml.safe_dump(made))

    def pods(self, namespace: str, count: int) -> list[dict[str, Any]]:
        """Return the pods of a namespace when there are `count` and each has a node."""
        found: list[dict[str, Any]] = []

        def scheduled() -> bool | None:
            found[:] = self.items("pods", namespace)
            return (len(found) == count and all("nodeName" in pod["spec"] for pod in found)) or None

        def events() -> str:
            return self.kubectl("get", "events", "--namespace", namespace).stdout

        until(f"{count} pods of {namespace} to have nodes", scheduled, 60, events)
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


@contextlib.contextmanager
def running(programs: Mapping[str, Path], folder: Path) -> Iterator[Cluster]:
    """Start a control plane with three nodes and a class of volumes; every process ends with the block."""
    etcd, peers, api = ports.free(3)
    cluster = Cluster(programs, folder)
    token = secrets.token_hex(16)
    _write_credentials(folder, token, api)
    with contextlib.ExitStack() as stack:
        store = f"http://127.0.0.1:{etcd}"
        stack.enter_context(
            _process(
                cluster,
                "etcd",
                (
                    *("--data-dir", folder / "etcd", "--unsafe-no-fsync"),
                    *("--listen-client-urls", store, "--advertise-client-urls", store),
                    *("--listen-peer-urls", f"http://127.0.0.1:{peers}"),
                ),
            )
        )
        until("etcd to be ready", lambda: fetch(f"{store}/health"), 60)
        stack.enter_context(_process(cluster, "kube-apiserver", _api_server(folder, etcd, api)))
        ready = ("get", "--raw", "/readyz")
        log = folder / "kube-apiserver.log"
        until(
            "the API server to be ready",
            lambda: cluster.kubectl(*ready).returncode == 0 or None,
            120,
            lambda: log.read_text(errors="replace")[-2000:],
        )
        common = ("--kubeconfig", cluster.kubeconfig, "--leader-elect=false", "--secure-port=0")
        controllers = (
            # Nodes send no heartbeats here, so its controller would taint them.
            "--controllers=*,-node-lifecycle-controller",
            f"--service-account-private-key-file={folder}/accounts.key",
            f"--root-ca-file={folder}/ca.crt",
        )
        stack.enter_context(_process(cluster, "kube-controller-manager", (*common, *controllers)))
        stack.enter_context(_process(cluster, "kube-scheduler", common))
        _add_nodes(cluster)
        yield cluster


def _api_server(folder: Path, etcd: int, port: int) -> tuple[str, ...]:
    return (
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={folder}/tls.crt",
        f"--tls-private-key-file={folder}/tls.key",
        f"--token-auth-file={folder}/tokens.csv",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder}/accounts.key",
        f"--service-account-signing-key-file={folder}/accounts.key",
        "--allow-privileged=true",
    )


@contextlib.contextmanager
def _process(cluster: Cluster, program: str, arguments: tuple[object, ...]) -> Iterator[None]:
    with (cluster.folder / f"{program}.log").open("wb") as output:
        process = children.start([str(part) for part in (cluster.programs[program], *arguments)], output=output)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def _write_credentials(folder: Path, token: str, port: int) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(folder / "tls.crt"))
    certificate.private_key_pem.write_to_path(str(folder / "tls.key"))
    key = rsa.generate_private_key(65537, 2048)
    (folder / "accounts.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(folder / "ca.crt")}
    configuration = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    }
    (folder / "kubeconfig.yaml").write_text(yaml.safe_dump(configuration))


def _add_nodes(cluster: Cluster) -> None:
    """Add nodes with room, and volumes for the claims: what a cluster's own provisioner would make."""
    room = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "200Gi", "pods": "110"}
    documents: list[dict[str, Any]] = []
    for name, zone in ZONES.items():
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "topology.kubernetes.io/zone": zone,
        }
        documents.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    # On these no collector can run.
    for name, labels in (("windows", {"kubernetes.io/os": "windows"}), ("virtual", {"type": "virtual-kubelet"})):
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **labels}
        documents.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    documents.append(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "made", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    )
    for index in range(20):
        documents.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"volume-{index}"},
                "spec": {
                    "capacity": {"storage": "100Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "made",
                    "hostPath": {"path": f"{cluster.folder}/volume-{index}"},
                },
            }
        )
    cluster.succeed("apply", "--server-side", "--filename", "-", text=yaml.safe_dump_all(documents))
    for name in ZONES:
        ready = {"type": "Ready", "status": "True", "reason": "Test", "message": ""}
        status = {"capacity": room, "allocatable": room, "conditions": [ready]}
        cluster.succeed(
            "patch", "node", name, "--subresource=status", "--type=merge", "--patch", json.dumps({"status": status})
        )
        # Each node begins with a taint that the controller for heartbeats would remove.
        taints = [{"key": "dedicated", "value": "batch", "effect": "NoSchedule"}] if name == "tainted" else None
        cluster.succeed("patch", "node", name, "--type=merge", "--patch", json.dumps({"spec": {"taints": taints}}))
