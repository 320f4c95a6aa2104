"""Where a sandbox keeps its things, and the addresses inside its network namespace."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError

CHECKOUT = Path(__file__).resolve().parent.parent
NODE_IP = "10.89.0.1"
NODE_NAME = "node1"
POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"  # the first address of SERVICE_CIDR is the API server's own Service
API_SERVER = f"https://{NODE_IP}:6443"
REGISTRY = f"{NODE_IP}:5000"
PROMETHEUS = f"http://{NODE_IP}:9090"
GITLAB = f"https://{NODE_IP}:8443"


def cache_dir() -> Path:
    """What is worth keeping between sandboxes and clones: built binaries and how long each build took."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway"


@dataclass(frozen=True)
class Paths:
    """The files of the sandbox called `name`; two sandboxes share none of them."""

    name: str

    def __post_init__(self) -> None:
        # The name becomes part of a namespace, a cgroup and paths that are removed: nothing else may get in.
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", self.name):
            raise SandboxError(
                f"--name {self.name!r}: use a small letter, then at most 30 small letters, digits or dashes"
            )

    @property
    def state(self) -> Path:
        """Everything on disk, mode 0700."""
        return Path("/var/lib/slipway") / self.name

    @property
    def run(self) -> Path:
        """Sockets and the record of the first process, mode 0700."""
        return Path("/run/slipway") / self.name

    @property
    def lock(self) -> Path:
        """Held by `up` and `down`; beside `run`, which they remove."""
        return Path("/run/slipway") / f"{self.name}.lock"

    @property
    def namespace(self) -> str:
        """Name of the network namespace as `ip netns` shows it."""
        return f"slipway-{self.name}"

    @property
    def netns(self) -> Path:
        return Path("/run/netns") / self.namespace

    @property
    def cgroup(self) -> str:
        """Parent of all pods' cgroups, in each hierarchy."""
        return f"/slipway-{self.name}"

    @property
    def init_record(self) -> Path:
        return self.run / "init.json"

    @property
    def init_socket(self) -> Path:
        return self.run / "init.sock"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def etcd_socket(self) -> Path:
        return self.run / "etcd:2379"

    @property
    def logs(self) -> Path:
        """One file per component, of the latest run; kept by `down`."""
        return self.state / "logs"

    @property
    def registry(self) -> Path:
        """The registry's images: the one thing that outlives a cluster."""
        return self.state / "registry"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def bin(self) -> Path:
        """Links to the tools, first on the PATH of `exec`."""
        return self.state / "bin"

    @property
    def targets(self) -> Path:
        """What Prometheus scrapes, in its file discovery's format."""
        return self.state / "targets" / "pods.json"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "admin.kubeconfig"

    @property
    def ca_bundle(self) -> Path:
        """The system's certificate authorities and the sandbox's own."""
        return self.state / "ca-bundle.crt"

    @property
    def docker_config(self) -> Path:
        return self.state / "docker"

    @property
    def gitlab_data(self) -> Path:
        return self.state / "gitlab"

    @property
    def gitlab_token(self) -> Path:
        return self.gitlab_data / "admin-token"

    @property
    def pulumi_home(self) -> Path:
        return self.state / "pulumi-home"

    @property
    def pulumi_state(self) -> Path:
        return self.state / "pulumi-state"

    @property
    def pulumi_passphrase(self) -> Path:
        return self.state / "pulumi-passphrase"
