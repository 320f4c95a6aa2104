"""The sandbox's daemons: how each is started, and how it shows that it works."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from sandbox import health
from sandbox.packages import SYSTEM_PATH, which
from sandbox.paths import (
    API_SERVER,
    CHECKOUT,
    GITLAB,
    NODE_IP,
    NODE_NAME,
    POD_CIDR,
    PROMETHEUS,
    REGISTRY,
    SERVICE_CIDR,
    Paths,
)


@dataclass(frozen=True)
class Component:
    """One daemon. `healthy` raises nothing and is asked from inside the network namespace."""

    name: str
    argv: list[str]
    address: str
    healthy: Callable[[], bool]
    needs_api: bool = False
    """Started when the API server answers: it gives up, or backs off for seconds, when there is none."""
    env: dict[str, str] = field(default_factory=dict)

    def environment(self, paths: Paths) -> dict[str, str]:
        """Nothing of the caller's, so that a sandbox is the same whoever starts it."""
        return {"PATH": SYSTEM_PATH, "HOME": str(paths.state), "LANG": "C.UTF-8"} | self.env


def components(paths: Paths, tools: dict[str, Path]) -> list[Component]:
    """All of them, in the order of their start. `tools` gives the executables of the Go builds."""
    return [
        _etcd(paths),
        _api_server(paths, tools),
        _containerd(paths),
        _registry(paths),
        _kubelet(paths, tools),
        _controller_manager(paths, tools),
        _scheduler(paths, tools),
        _proxy(paths, tools),
        _prometheus(paths),
        _discovery(paths),
        *_gitlab(paths),
    ]


def _etcd(paths: Paths) -> Component:
    # Sockets in a directory of root's: nothing else in the namespace, and no pod, can read the cluster's secrets.
    # etcd 3.4 takes them only in the form host:port, as a file in its working directory.
    argv = ["/usr/bin/env", f"--chdir={paths.run}", _system("etcd")]
    argv += ["--data-dir", f"{paths.state}/etcd", "--unsafe-no-fsync", "--logger", "zap"]
    argv += ["--listen-client-urls", f"unix://{paths.etcd_socket.name}", "--advertise-client-urls", "http://etcd:2379"]
    argv += ["--listen-peer-urls", "unix://etcd-peer:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380"]
    argv += ["--initial-cluster", "default=http://127.0.0.1:2380"]
    return Component("etcd", argv, str(paths.etcd_socket), lambda: health.unix_http(paths.etcd_socket, "/health"))


def _api_server(paths: Paths, tools: dict[str, Path]) -> Component:
    pki = paths.pki
    flags = {
        "etcd-servers": f"unix://{paths.etcd_socket}",
        "bind-address": NODE_IP,
        "secure-port": 6443,
        "advertise-address": NODE_IP,
        "tls-cert-file": pki / "server.crt",
        "tls-private-key-file": pki / "server.key",
        "client-ca-file": pki / "ca.crt",
        "authentication-config": paths.state / "authentication.yaml",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": pki / "service-accounts.pub",
        "service-account-signing-key-file": pki / "service-accounts.key",
        # Else a pod's token would live a year however short it was asked for.
        "service-account-extend-token-expiration": "false",
        "service-cluster-ip-range": SERVICE_CIDR,
        "kubelet-client-certificate": pki / "kube-apiserver-kubelet-client.crt",
        "kubelet-client-key": pki / "kube-apiserver-kubelet-client.key",
        "kubelet-certificate-authority": pki / "ca.crt",
        "kubelet-preferred-address-types": "InternalIP",
        "allow-privileged": "true",
        "profiling": "false",
    }
    argv = [str(tools["kube-apiserver"]), *_flags(flags)]
    return Component("kube-apiserver", argv, API_SERVER, lambda: health.https(paths, f"{API_SERVER}/readyz"))


def _containerd(paths: Paths) -> Component:
    argv = [_system("containerd"), "--config", f"{paths.state}/containerd.toml"]
    socket = paths.containerd_socket
    return Component("containerd", argv, str(socket), lambda: health.unix_socket(socket))


def _registry(paths: Paths) -> Component:
    argv = [_system("docker-registry"), "serve", f"{paths.state}/registry.yaml"]
    url = f"https://{REGISTRY}"
    return Component("registry", argv, url, lambda: health.https(paths, f"{url}/v2/", answers=(401,)))


def _kubelet(paths: Paths, tools: dict[str, Path]) -> Component:
    flags = {
        "config": paths.state / "kubelet.yaml",
        "kubeconfig": paths.pki / "kubelet.kubeconfig",
        "hostname-override": NODE_NAME,
        "node-ip": NODE_IP,
        "root-dir": paths.state / "kubelet",
    }
    argv = [str(tools["kubelet"]), *_flags(flags)]
    address = f"https://{NODE_IP}:10250"
    return Component("kubelet", argv, address, lambda: health.http("http://127.0.0.1:10248/healthz"), needs_api=True)


def _controller_manager(paths: Paths, tools: dict[str, Path]) -> Component:
    flags = {
        "kubeconfig": paths.pki / "kube-controller-manager.kubeconfig",
        "bind-address": "127.0.0.1",
        "tls-cert-file": paths.pki / "server.crt",
        "tls-private-key-file": paths.pki / "server.key",
        "service-account-private-key-file": paths.pki / "service-accounts.key",
        "root-ca-file": paths.pki / "ca.crt",
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        "kube-api-qps": 200,
        "kube-api-burst": 400,
        "profiling": "false",
    }
    argv = [str(tools["kube-controller-manager"]), *_flags(flags)]
    address = "https://127.0.0.1:10257"
    return Component(
        "kube-controller-manager", argv, address, lambda: health.https(paths, f"{address}/healthz"), needs_api=True
    )


def _scheduler(paths: Paths, tools: dict[str, Path]) -> Component:
    flags = {
        "kubeconfig": paths.pki / "kube-scheduler.kubeconfig",
        "bind-address": "127.0.0.1",
        "tls-cert-file": paths.pki / "server.crt",
        "tls-private-key-file": paths.pki / "server.key",
        "leader-elect": "false",
        "kube-api-qps": 200,
        "kube-api-burst": 400,
        "profiling": "false",
    }
    argv = [str(tools["kube-scheduler"]), *_flags(flags)]
    address = "https://127.0.0.1:10259"
    return Component("kube-scheduler", argv, address, lambda: health.https(paths, f"{address}/healthz"), needs_api=True)


def _proxy(paths: Paths, tools: dict[str, Path]) -> Component:
    flags = {
        "kubeconfig": paths.pki / "kube-proxy.kubeconfig",
        "hostname-override": NODE_NAME,
        "proxy-mode": "nftables",
        "cluster-cidr": POD_CIDR,
        "healthz-bind-address": "127.0.0.1:10256",
        "metrics-bind-address": "127.0.0.1:10249",
        "conntrack-max-per-core": 0,  # a limit of the whole machine's
    }
    argv = [str(tools["kube-proxy"]), *_flags(flags)]
    address = "http://127.0.0.1:10256"
    return Component("kube-proxy", argv, address, lambda: health.http(f"{address}/healthz"), needs_api=True)


def _prometheus(paths: Paths) -> Component:
    argv = [_system("prometheus"), f"--config.file={paths.state}/prometheus.yaml"]
    argv += [f"--storage.tsdb.path={paths.state}/prometheus", f"--web.listen-address={NODE_IP}:9090"]
    return Component("prometheus", argv, PROMETHEUS, lambda: health.http(f"{PROMETHEUS}/-/ready"))


def _discovery(paths: Paths) -> Component:
    argv = [sys.executable, "-m", "sandbox.discovery", str(paths.pki / "pod-discovery.kubeconfig"), str(paths.targets)]
    # Its sign of life is the file itself, touched at each look.
    return Component(
        "pod-discovery",
        argv,
        str(paths.targets),
        lambda: health.written_within(paths.targets, seconds=30),
        needs_api=True,
        env=_python_environment(),
    )


def _gitlab(paths: Paths) -> list[Component]:
    if find_spec("sandbox.gitlab.__main__") is None:
        return []
    argv = [sys.executable, "-m", "sandbox.gitlab", "--listen", GITLAB.removeprefix("https://")]
    argv += ["--cert", f"{paths.pki}/server.crt", "--key", f"{paths.pki}/server.key", "--data", str(paths.gitlab_data)]
    url = f"{GITLAB}/api/v4/version"
    return [
        Component(
            "gitlab", argv, GITLAB, lambda: health.https(paths, url, answers=(200, 401)), env=_python_environment()
        )
    ]


def _python_environment() -> dict[str, str]:
    return {"PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _flags(flags: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def _system(executable: str) -> str:
    return which(executable) or executable
