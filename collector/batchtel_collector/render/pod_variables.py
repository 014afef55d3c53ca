"""The environment variables of jobs for Kubernetes: with the mounts that they need, or for OpenTelemetry's operator.

They match the manifests: a Secret for each variable, and a ConfigMap with the CA, so that no job mounts a private key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from batchtel_collector.environment.model import Environment
from batchtel_collector.environment.values import REFERENCE, required_variables
from batchtel_collector.render.pods import JOBS_LABEL, folder_name, secret_name

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_CERTIFICATE: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
_SPOOL: Final = "BATCHTEL_SPOOL_DIR"


def container(environment: Environment, found: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of `env` and `volumeMounts` of a container and of `volumes` of its pod."""
    yield "# Use: env and volumeMounts of the job's container, volumes of its pod, in a namespace with the label"
    yield f"# {JOBS_LABEL}=true that has the Secrets and the ConfigMap that are named here"
    yield "env:"
    yield from (f"  {line}" for line in _variables(found))
    mounts = dict(_mounts(environment))
    if not mounts:
        return
    yield "volumeMounts:"
    for folder, name in mounts.items():
        read_only = "" if folder == environment.jobs.spool else ", readOnly: true"
        yield f"  - {{name: {name}, mountPath: {json.dumps(_plain(folder), ensure_ascii=False)}{read_only}}}"
    yield "volumes:"
    for folder, name in mounts.items():
        if folder == environment.jobs.spool:
            yield "  # As long as the pod; a claim that several pods may mount keeps it for the next run."
            yield f"  - {{name: {name}, emptyDir: {{sizeLimit: 128Mi}}}}"
        else:
            yield f"  - {{name: {name}, configMap: {{name: {name}}}}}"


def instrumentation(environment: Environment, found: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the resource by which OpenTelemetry's operator adds the variables to pods of its namespace."""
    jobs = environment.jobs
    yield "# Use: kubectl apply --server-side --namespace NAMESPACE --filename THIS, and on pods the annotation"
    yield "# instrumentation.opentelemetry.io/inject-python: batchtel. The image of the job has to have batchtel in it."
    yield "apiVersion: opentelemetry.io/v1alpha1"
    yield "kind: Instrumentation"
    yield "metadata:"
    yield "  name: batchtel"
    yield "spec:"
    yield "  exporter:"
    yield f"    endpoint: {json.dumps(jobs.endpoint)}"
    if jobs.ca:
        ca = PurePosixPath(_plain(jobs.ca))
        yield f"    tls: {{configMapName: {folder_name(str(ca.parent))}, ca_file: {json.dumps(ca.name)}}}"
    yield "  propagators: [tracecontext, baggage]"
    yield "  env:"
    # The exporter has its address and CA; no pod has a volume for the spool.
    others = {name: text for name, text in found.items() if name not in (_ENDPOINT, _CERTIFICATE, _SPOOL)}
    yield from (f"    {line}" for line in _variables(others))


def _variables(found: Mapping[str, str]) -> Iterator[str]:
    for name in required_variables("\n".join(found.values())):
        yield f"- name: {name}"
        yield f"  valueFrom: {{secretKeyRef: {{name: {secret_name(name)}, key: {name}}}}}"
    for name, value in found.items():
        # There is no way to refer with a default, so the default it is.
        text = REFERENCE.sub(
            lambda match: f"$({match['name']})" if match["default"] is None else match["default"].removeprefix(":-"),
            value.replace("$(", "$$("),
        )
        yield f"- name: {name}"
        yield f"  value: {json.dumps(text, ensure_ascii=False)}"


def _mounts(environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield each folder that the variables name, and the name of its volume; none where a variable decides it."""
    jobs = environment.jobs
    if jobs.ca and not required_variables(jobs.ca):
        folder = str(PurePosixPath(jobs.ca).parent)
        yield folder, folder_name(_plain(folder))
    if jobs.spool and not required_variables(jobs.spool):
        yield jobs.spool, "batchtel-spool"


def _plain(text: str) -> str:
    """Return a path with the defaults of its variables; a volume cannot refer to the environment of a container."""
    return REFERENCE.sub(lambda match: (match["default"] or match["name"]).removeprefix(":-"), text)
