"""Writes everything that the daemons read: certificates, kubeconfigs, configuration files, passwords."""

import base64
import json
import secrets
import subprocess
from pathlib import Path

import yaml

from sandbox.errors import SandboxError
from sandbox.images import PAUSE_NAME
from sandbox.packages import which
from sandbox.paths import NODE_IP, NODE_NAME, POD_CIDR, REGISTRY, Paths
from sandbox.pki import Authority, signing_key, write_secret

REGISTRY_USER = "slipway"
SYSTEM_CA = Path("/etc/ssl/certs/ca-certificates.crt")


def write_all(paths: Paths) -> None:
    """For a fresh sandbox; every secret is new."""
    authority = Authority(paths.pki)
    _identities(paths, authority)
    _bundle(paths, authority)
    _containerd(paths)
    _network(paths)
    _kubelet(paths)
    _api_server(paths)
    _registry(paths)
    _prometheus(paths)
    write_secret(paths.gitlab_token, f"glpat-{secrets.token_urlsafe(15)}")
    write_secret(paths.pulumi_passphrase, secrets.token_urlsafe(32))
    for directory in (paths.logs, paths.pulumi_home, paths.pulumi_state, paths.registry):
        directory.mkdir(parents=True, exist_ok=True)
    (paths.pulumi_home / "logs").touch()  # no directory: the engine keeps no log (pulumi_slipway/pipeline/engine.py)


def _identities(paths: Paths, authority: Authority) -> None:
    """Each part signs in as itself, with the rights that Kubernetes' own roles give it."""
    authority.issue("server", "slipway-node", server=True)
    authority.issue("kube-apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
    node = f"system:node:{NODE_NAME}"
    users = {
        "kubelet": authority.issue("kubelet", node, "system:nodes", server=True),
        "kube-controller-manager": authority.issue("kube-controller-manager", "system:kube-controller-manager"),
        "kube-scheduler": authority.issue("kube-scheduler", "system:kube-scheduler"),
        "kube-proxy": authority.issue("kube-proxy", "system:kube-proxy"),
        "pod-discovery": authority.issue("pod-discovery", "slipway:pod-discovery"),
    }
    for user, pair in users.items():
        authority.kubeconfig(paths.pki / f"{user}.kubeconfig", pair, user)
    authority.kubeconfig(paths.kubeconfig, authority.issue("admin", "slipway-admin", "system:masters"), "admin")
    signing_key(paths.pki / "service-accounts.key", paths.pki / "service-accounts.pub")


def _bundle(paths: Paths, authority: Authority) -> None:
    system = SYSTEM_CA.read_text() if SYSTEM_CA.exists() else ""
    paths.ca_bundle.write_text(f"{system}\n{authority.pem}")


def _containerd(paths: Paths) -> None:
    (paths.state / "containerd.toml").write_text(f"""\
version = 2
root = "{paths.state}/containerd"
state = "{paths.run}/containerd"
# Of the plugins that aren't needed, these would make directories of the host's or probe its devices.
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{paths.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_NAME}"
  # A profile would be loaded into the host's kernel, and stay there.
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE no score can be lowered: runc would fail.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{paths.state}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{paths.state}/certs.d"
""")
    hosts = paths.state / "certs.d" / REGISTRY / "hosts.toml"
    hosts.parent.mkdir(parents=True, exist_ok=True)
    hosts.write_text(f"""\
server = "https://{REGISTRY}"
[host."https://{REGISTRY}"]
  capabilities = ["pull", "resolve"]
  ca = "{paths.pki}/ca.crt"
""")


def _network(paths: Paths) -> None:
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_CIDR}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": f"{paths.run}/ipam",
    }
    # Every packet is routed by the node. On a common bridge the answer of a Service's pod to a pod would go straight
    # back, past the node's translation, unless the host has br_netfilter loaded.
    pair = {"type": "ptp", "ipMasq": False, "ipam": ipam}
    chain = {"cniVersion": "0.4.0", "name": "pods", "plugins": [pair, {"type": "loopback"}]}
    directory = paths.state / "cni"
    directory.mkdir(exist_ok=True)
    (directory / "10-pods.conflist").write_text(json.dumps(chain))


def _kubelet(paths: Paths) -> None:
    (paths.state / "resolv.conf").write_text("")  # nothing to ask: there is no way out, and no cluster DNS
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_IP,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{paths.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{paths.pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{paths.pki}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{paths.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": paths.cgroup,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "podLogsDir": f"{paths.logs}/pods",
        "resolvConf": f"{paths.state}/resolv.conf",
        "maxPods": 250,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        # The disk is the host's, and full enough or not for the host's own reasons.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
    }
    (paths.state / "kubelet.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def _api_server(paths: Paths) -> None:
    config = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": [{"path": path} for path in ("/livez", "/readyz", "/healthz")]},
    }
    (paths.state / "authentication.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def _registry(paths: Paths) -> None:
    password = secrets.token_urlsafe(24)
    htpasswd = [which("htpasswd") or "htpasswd", "-niBC", "5", REGISTRY_USER]
    run = subprocess.run(htpasswd, input=password, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SandboxError(f"htpasswd failed: {run.stderr.strip()}")
    write_secret(paths.pki / "htpasswd", run.stdout.strip() + "\n")
    auth = base64.b64encode(f"{REGISTRY_USER}:{password}".encode()).decode()
    write_secret(paths.docker_config / "config.json", json.dumps({"auths": {REGISTRY: {"auth": auth}}}))
    config = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(paths.registry)}, "delete": {"enabled": True}},
        "auth": {"htpasswd": {"realm": "slipway", "path": str(paths.pki / "htpasswd")}},
        "http": {
            "addr": REGISTRY,
            "secret": secrets.token_urlsafe(32),
            "tls": {"certificate": f"{paths.pki}/server.crt", "key": f"{paths.pki}/server.key"},
        },
    }
    write_secret(paths.state / "registry.yaml", yaml.safe_dump(config, sort_keys=False))


def _prometheus(paths: Paths) -> None:
    # Debian builds Prometheus without its Kubernetes discovery: sandbox/discovery.py writes the targets.
    (paths.targets.parent).mkdir(parents=True, exist_ok=True)
    paths.targets.write_text("[]")
    pods = {"job_name": "pods", "file_sd_configs": [{"files": [str(paths.targets)], "refresh_interval": "5s"}]}
    # A release on the sandbox takes seconds: a check's window of some must hold several samples.
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [pods]}
    (paths.state / "prometheus.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
