"""The programs of a control plane of Kubernetes, and Helm, built from Go modules for `make test-kubernetes` only."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from batchtel_stack import build
from batchtel_stack.binaries import Binary

_MODULE: Final = Path(__file__).parent / "go" / "kubernetes"

KUBERNETES: Final = Binary(
    name="kubernetes",
    version="1.37.2",
    module=_MODULE,
    programs={
        "etcd": "./etcd",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        "helm": "helm.sh/helm/v3/cmd/helm",
    },
    # Charts ask for the version of the server, and cannot parse that of a build without it.
    linked={"k8s.io/component-base/version.gitVersion": "v1.37.2"},
    own=(_MODULE / "etcd",),
)
"""One module, because Helm and Kubernetes share most of their packages: 207 s on two cores."""


def paths() -> dict[str, Path]:
    """Return name -> path of each program, built first where the user's cache has none.

    Raises:
        UnavailableError: a build failed, or there is no Go.
    """
    return build.ensure([KUBERNETES])
