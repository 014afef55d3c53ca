"""What a kubelet does, for the tests: containers of pods as processes, each with the files and the user of its pod.

There are no images here, so a container sees this machine's /usr and Python, read-only, and the collector where its
image has it. It has a mount namespace of its own with the volumes of the pod, runs as the user and with the
capabilities of its security context, and reads names from a hosts file. What is not the same: the network. All
processes share this machine's loopback, each pod with an address of its own there, so the two addresses of a
collector's configuration that stand for the pod, 0.0.0.0 and 127.0.0.1, are replaced by that address.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.kubernetes.cluster import Cluster
from tests.support.program import fetch

ROOT: Final = Path(__file__).parents[2]

_LIBRARIES: Final = ("bin", "sbin", "lib", "lib64")


class Container:
    """A container of a pod as a process."""

    def __init__(self, pod: Pod, described: Mapping[str, Any], programs: Mapping[str, Path], log: Path) -> None:
        self.pod, self.described, self.log = pod, described, log
        self._programs = programs

    def start(self) -> subprocess.Popen[bytes]:
        """Start it with its volumes, variables and user."""
        script = "\n".join(["set -e", *self._mounts(), f"exec {shlex.join(self._command())}"])
        with self.log.open("ab") as output:
            return subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.pod.variables(self.described),
            )

    def _mounts(self) -> Iterator[str]:
        root = shlex.quote(str(self.pod.folder / "root"))
        yield f"mkdir -p {root} && mount -t tmpfs none {root} && mkdir -p {root}/tmp && chmod 1777 {root}/tmp"
        shared = {path: path for path in ("/usr", "/proc", "/dev", sys.base_prefix, sys.prefix, str(ROOT))}
        shared[str(self._programs["collector"].parent)] = "/collector"
        for path, seen in shared.items():
            yield f"mkdir -p {root}{seen} && mount --rbind {path} {root}{seen}"
        yield f"cd {root} && ln -s {' '.join(f'usr/{name}' for name in _LIBRARIES)} . && cd /"
        yield f"ln -s /collector/{self._programs['collector'].name} {root}/otelcol-batchtel"
        yield f"mkdir -p {root}/etc && cp -L /etc/passwd /etc/ld.so.cache {root}/etc/"
        yield f"cp {shlex.quote(str(self.pod.hosts))} {root}/etc/hosts"
        for mount in self.described["volumeMounts"]:
            source, target = self.pod.volumes[mount["name"]], mount["mountPath"]
            yield f"mkdir -p {root}{target} && mount --bind {shlex.quote(str(source))} {root}{target}"
            if mount.get("readOnly"):
                yield f"mount -o remount,ro,bind {root}{target}"
        if self.described.get("securityContext", {}).get("readOnlyRootFilesystem"):
            yield f"mount -o remount,ro,bind {root}"

    def _command(self) -> list[str]:
        context = self.pod.security | self.described.get("securityContext", {})
        added = [name.lower() for name in context.get("capabilities", {}).get("add", [])]
        capabilities = ",".join(["-all", *(f"+{name}" for name in added)])
        user, group = str(context["runAsUser"]), str(context.get("runAsGroup", context["runAsUser"]))
        command = ["chroot", str(self.pod.folder / "root"), "setpriv", "--reuid", user, "--regid", group]
        command += ["--groups", str(self.pod.security.get("fsGroup", group))]
        command += ["--bounding-set", capabilities, "--inh-caps", capabilities, "--no-new-privs"]
        command += ["--pdeathsig", "kill"]  # none outlives the tests
        started = self.described.get("command") or ["/otelcol-batchtel"]
        return [*command, *started, *self.described.get("args", [])]


class Pod:
    """A pod that has a node: its volumes as folders, its variables, its containers."""

    def __init__(
        self, cluster: Cluster, described: Mapping[str, Any], address: str, hosts: Path, programs: Mapping[str, Path]
    ) -> None:
        self.cluster, self.described, self.address, self.hosts = cluster, described, address, hosts
        self.name, self.namespace = described["metadata"]["name"], described["metadata"]["namespace"]
        self.spec = described["spec"]
        self.security: dict[str, Any] = self.spec.get("securityContext", {})
        self.folder = cluster.folder / "pods" / described["metadata"]["uid"]
        self.folder.mkdir(parents=True)
        self.volumes = {volume["name"]: self._folder_of(volume) for volume in self.spec["volumes"]}
        self._programs = programs
        self._running: list[subprocess.Popen[bytes]] = []

    def run(self) -> None:
        """Run the init containers to their ends, one after the other, and start the others.

        Raises:
            RuntimeError: an init container failed.
        """
        for described in self.spec.get("initContainers", []):
            container = self._container(described)
            code = container.start().wait(60)
            if code:
                raise RuntimeError(f"{self.name}: {described['name']} ended with {code}\n{self.text()}")
        self._running = [self._container(described).start() for described in self.spec["containers"]]

    def codes(self) -> list[int | None]:
        """Return the exit code of each container, None of one that runs."""
        return [process.poll() for process in self._running]

    def states(self) -> list[dict[str, str]]:
        """Return what Linux reports of the process of each container that runs, by the names of proc(5)."""
        files = [Path(f"/proc/{process.pid}/status").read_text() for process in self._running if process.poll() is None]
        return [dict(line.split(":\t", 1) for line in text.splitlines()) for text in files]

    def stop(self) -> None:
        """End its containers with SIGTERM, and wait for them."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(self.spec["terminationGracePeriodSeconds"])

    def text(self) -> str:
        """Return what its containers have written."""
        return "\n".join(file.read_text(errors="replace")[-2000:] for file in sorted(self.folder.glob("*.log")))

    def variables(self, container: Mapping[str, Any]) -> dict[str, str]:
        """Return the variables of a container: values, fields of the pod, keys of Secrets, references to others."""
        found = {"PATH": f"{sys.prefix}/bin:/usr/sbin:/usr/bin", "HOSTNAME": self.name, "PYTHONDONTWRITEBYTECODE": "1"}
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "fieldRef" in source:
                found[variable["name"]] = self._field(source["fieldRef"]["fieldPath"])
            elif "secretKeyRef" in source:
                key = source["secretKeyRef"]
                found[variable["name"]] = self._data("secret", key["name"])[key["key"]].decode()
            else:
                text = variable.get("value", "")
                found[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found.get(name[1], name[0]), text)
        return found

    def _field(self, path: str) -> str:
        if labelled := re.fullmatch(r"metadata\.labels\['(.+)'\]", path):
            return str(self.described["metadata"]["labels"].get(labelled[1], ""))
        found: Any = self.described
        for key in path.split("."):
            found = found[key]
        return str(found)

    def _container(self, described: Mapping[str, Any]) -> Container:
        return Container(self, described, self._programs, self.folder / f"{described['name']}.log")

    def _folder_of(self, volume: Mapping[str, Any]) -> Path:
        folder: Path
        if "hostPath" in volume:
            folder = self.cluster.folder / self.spec["nodeName"] / str(volume["hostPath"]["path"]).strip("/")
            folder.mkdir(parents=True, exist_ok=True)  # as root, 0755: what the kubelet does
            return folder
        if "persistentVolumeClaim" in volume:
            claim = json.loads(self._get("persistentvolumeclaim", volume["persistentVolumeClaim"]["claimName"]))
            folder = self.cluster.folder / claim["spec"]["volumeName"]
            folder.mkdir(exist_ok=True)
            self._give_to_group(folder, 0o2770)
            return folder
        folder = self.folder / "volumes" / volume["name"]
        folder.mkdir(parents=True)
        if "emptyDir" in volume:
            folder.chmod(0o777)
            return folder
        for kind, name, mode in _sources(volume):
            for key, content in self._data(kind, name).items():
                file = folder / key
                file.write_bytes(content)
                self._give_to_group(file, mode)
        return folder

    def _give_to_group(self, path: Path, mode: int) -> None:
        os.chown(path, 0, self.security.get("fsGroup", 0))
        path.chmod(mode)

    def _data(self, kind: str, name: str) -> dict[str, bytes]:
        found = json.loads(self._get(kind, name)).get("data", {})
        if kind == "secret":
            return {key: base64.b64decode(text) for key, text in found.items()}
        # 0.0.0.0 is every address of the pod, and 127.0.0.1 its own loopback, at the ports of a collector.
        own = re.compile(r"(?<![\d.])(0\.0\.0\.0|127\.0\.0\.1)(?=:(?:4317|4318|13133|8888|8889)\b|\"\n\s+port: 8888)")
        return {key: own.sub(self.address, text).encode() for key, text in found.items()}

    def _get(self, kind: str, name: str) -> str:
        return self.cluster.succeed("get", kind, name, "--namespace", self.namespace, "--output", "json")


def _sources(volume: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield kind, name and mode of what is in a volume."""
    if "configMap" in volume:
        yield "configmap", volume["configMap"]["name"], 0o644
    elif "secret" in volume:
        yield "secret", volume["secret"]["secretName"], volume["secret"]["defaultMode"]
    else:
        for source in volume["projected"]["sources"]:
            yield "secret", source["secret"]["name"], volume["projected"]["defaultMode"]


class Kubelet:
    """Starts what the scheduler has given to nodes, probes it, and reports its state, until it is stopped.

    Args:
        cluster: the control plane.
        programs: has the path of `collector`.
        names: `NAMESPACE/NAME` of pods -> the name by which others resolve them.
    """

    def __init__(self, cluster: Cluster, programs: Mapping[str, Path], names: Mapping[str, str]) -> None:
        self.cluster, self._programs, self._names = cluster, programs, names
        self.pods: dict[str, Pod] = {}
        self._reported: dict[str, str] = {}
        self._addresses: dict[str, str] = {}

    def step(self, namespaces: tuple[str, ...]) -> None:
        """Look once: start new pods, stop deleted ones, report phases and readiness."""
        found = {
            pod["metadata"]["uid"]: pod
            for namespace in namespaces
            for pod in self.cluster.items("pods", namespace)
            if "nodeName" in pod["spec"]
        }
        for uid in set(self.pods) - set(found):
            self.pods.pop(uid).stop()
        new = [described for uid, described in found.items() if uid not in self.pods]
        for described in sorted(new, key=lambda one: str(one["metadata"]["name"])):
            hosts = self._hosts(found.values(), described)
            pod = Pod(self.cluster, described, self._address(_key(described)), hosts, self._programs)
            self.pods[described["metadata"]["uid"]] = pod
            pod.run()
        for uid, pod in self.pods.items():
            self._report(uid, pod)

    def stop(self) -> None:
        """Stop every pod."""
        for pod in self.pods.values():
            pod.stop()

    def _report(self, uid: str, pod: Pod) -> None:
        codes, probes = pod.codes(), "readinessProbe" in pod.spec["containers"][0]
        if None not in codes:
            phase, is_ready = ("Succeeded" if codes == [0] * len(codes) else "Failed"), False
        else:
            phase, is_ready = "Running", not probes or _answers(f"http://{pod.address}:13133/")
        if phase == "Failed" and probes:
            raise RuntimeError(f"{pod.name} ended with {codes}\n{pod.text()}")
        if self._reported.get(uid) == f"{phase} {is_ready}":
            return
        self._reported[uid] = f"{phase} {is_ready}"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        conditions = [
            {"type": kind, "status": str(is_ready), "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")
        ]
        status = {"phase": phase, "podIP": pod.address, "podIPs": [{"ip": pod.address}], "conditions": conditions}
        patch = ("patch", "pod", pod.name, "--namespace", pod.namespace, "--subresource=status", "--type=strategic")
        self.cluster.succeed(*patch, "--patch", json.dumps({"status": status}))

    def _address(self, key: str) -> str:
        """Return the address of a pod, by its namespace and name, on this machine's loopback."""
        return self._addresses.setdefault(key, f"127.1.0.{len(self._addresses) + 1}")

    def _hosts(self, found: Iterable[Mapping[str, Any]], described: Mapping[str, Any]) -> Path:
        """Write the names that a pod resolves: gateways by their pods, the Service of agents by that of its node."""
        lines = ["127.0.0.1 localhost", *(f"{self._address(key)} {name}" for key, name in self._names.items())]
        for pod in found:
            is_agent = pod["metadata"]["labels"].get("batchtel/role") == "agent"
            if is_agent and pod["spec"]["nodeName"] == described["spec"]["nodeName"]:
                lines.append(f"{self._address(_key(pod))} batchtel-agent.{pod['metadata']['namespace']}.svc")
        file = self.cluster.folder / f"hosts-{described['metadata']['uid']}"
        file.write_text("\n".join(lines) + "\n")
        return file


def _answers(url: str) -> bool:
    try:
        fetch(url)
    except OSError:
        return False
    return True


def _key(pod: Mapping[str, Any]) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
