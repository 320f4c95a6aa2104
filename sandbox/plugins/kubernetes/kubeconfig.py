"""Where the cluster is and who we are there: a kubeconfig given as text, as a path, or found as kubectl finds it."""

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(Exception):
    """The kubeconfig cannot be read, or names something it does not hold."""


@dataclass(frozen=True)
class Access:
    """One cluster as one user sees it. Certificates are PEM."""

    server: str
    namespace: str
    ca: bytes | None = None
    token: str | None = None
    token_file: Path | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    verify: bool = True
    server_name: str | None = None


def load(given: str | None, context: str | None = None, cluster: str | None = None) -> Access:
    """The access that a kubeconfig describes.

    `given` is its text or its path; without it `KUBECONFIG` (several files, the first to name a thing wins), then
    `~/.kube/config`, then the service account of the pod we run in.
    """
    if given:
        path = Path(given).expanduser() if len(given) < 4096 and "\n" not in given else None
        return _choose(_read(path) if path and path.is_file() else _parse(given, Path.cwd()), context, cluster)
    names = os.environ.get("KUBECONFIG") or "~/.kube/config"
    files = [Path(name).expanduser() for name in names.split(os.pathsep) if name]
    merged: dict[str, Any] = {}
    for file in files:
        if file.is_file():
            _merge(merged, _read(file))
    if not merged and (_SERVICE_ACCOUNT / "token").is_file():
        return _in_cluster()
    return _choose(merged, context, cluster)


def _read(path: Path) -> dict[str, Any]:
    return _parse(path.read_text(), path.parent)


def _parse(text: str, folder: Path) -> dict[str, Any]:
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = yaml.load(text, Loader=loader)  # noqa: S506  # safe loaders both
    except yaml.YAMLError as error:
        raise KubeconfigError(f"the kubeconfig is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise KubeconfigError("the kubeconfig is neither a file nor the text of one")
    for kind in ("clusters", "users", "contexts"):
        content[kind] = {
            each["name"]: (each.get(kind[:-1]) or {}) | {"_folder": folder} for each in content.get(kind) or []
        }
    return content


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for kind in ("clusters", "users", "contexts"):
        into[kind] = more[kind] | into.get(kind, {})
    into.setdefault("current-context", more.get("current-context"))


def _choose(config: dict[str, Any], context: str | None, cluster: str | None) -> Access:
    name = context or config.get("current-context")
    if not name:
        raise KubeconfigError("no kubeconfig with a current context: set KUBECONFIG or the provider's `kubeconfig`")
    if name not in config["contexts"]:
        raise KubeconfigError(f'context "{name}" does not exist in the kubeconfig')
    chosen = config["contexts"][name]
    place = config["clusters"].get(cluster or chosen.get("cluster"))
    if place is None or not place.get("server"):
        raise KubeconfigError(f'context "{name}" names the cluster "{cluster or chosen.get("cluster")}": not there')
    user = config["users"].get(chosen.get("user"), {})
    if "exec" in user:
        user = user | _credential_plugin(user["exec"])
    token_file = user.get("tokenFile")
    return Access(
        server=place["server"].rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        ca=_material(place, "certificate-authority"),
        token=user.get("token"),
        token_file=Path(token_file) if token_file else None,
        certificate=_material(user, "client-certificate"),
        key=_material(user, "client-key"),
        verify=not place.get("insecure-skip-tls-verify", False),
        server_name=place.get("tls-server-name"),
    )


def _material(part: dict[str, Any], key: str) -> bytes | None:
    if data := part.get(f"{key}-data"):
        return base64.b64decode(data)
    if name := part.get(key):
        path = part["_folder"] / name
        try:
            return path.read_bytes()  # type: ignore[no-any-return]
        except OSError as error:
            raise KubeconfigError(f"{key} of the kubeconfig: {path}: {error.strerror}") from None
    return None


def _credential_plugin(spec: dict[str, Any]) -> dict[str, Any]:
    """client.authentication.k8s.io: a command that prints a token or a certificate."""
    extra = {each["name"]: each["value"] for each in spec.get("env") or []}
    info = {"apiVersion": spec.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    environment = os.environ | extra | {"KUBERNETES_EXEC_INFO": json.dumps(info)}
    command = [spec["command"], *(spec.get("args") or [])]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise KubeconfigError(f"the kubeconfig's credential command {spec['command']} failed: {done.stderr.decode()}")
    status = json.loads(done.stdout).get("status", {})
    return {
        "token": status.get("token"),
        "client-certificate-data": _encoded(status.get("clientCertificateData")),
        "client-key-data": _encoded(status.get("clientKeyData")),
    }


def _encoded(text: str | None) -> str | None:
    return base64.b64encode(text.encode()).decode() if text else None


def _in_cluster() -> Access:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return Access(
        server=f"https://{host}:{port}",
        namespace=(_SERVICE_ACCOUNT / "namespace").read_text(),
        ca=(_SERVICE_ACCOUNT / "ca.crt").read_bytes(),
        token_file=_SERVICE_ACCOUNT / "token",
    )
