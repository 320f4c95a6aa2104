"""An access stack of its own for a test: a directory, a state, a GitLab project, and names that nobody else has."""

import base64
import os
import ssl
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.engine.harness import Outcome, Project

API = os.environ.get("GITLAB_BASE_URL", "")


class AccessStack:
    """The access stack run as an administrator, on namespaces and a GitLab project that no other test has."""

    def __init__(self, directory: Path) -> None:
        self.run = Project(directory, "access")
        self.project = new_project()
        self.tag = f"t{uuid.uuid4().hex[:6]}"

    def namespace(self, environment: str) -> str:
        """Where an environment of this stack lives."""
        return f"{self.tag}-{environment}"

    def configure(self, environments: Mapping[str, Mapping[str, Any]], **settings: Any) -> None:
        """Writes the settings; each environment gets a namespace of this stack's own, its scope stays its key."""
        named = {name: {"namespace": self.namespace(name), **values} for name, values in environments.items()}
        gitlab = {"project": self.project["path_with_namespace"], **settings.pop("gitlab", {})}
        self.run.configure({"slipway:access": {"gitlab": gitlab, "environments": named, **settings}})

    def up(self, *flags: str, **environ: str) -> Outcome:
        """`pulumi up` that must end well."""
        return self.run.up(*flags, **environ).expect()

    def variables(self, scope: str) -> dict[str, dict[str, Any]]:
        """GitLab's variables of a scope, read back by key."""
        found = gitlab("GET", f"projects/{self.project['id']}/variables?per_page=100").json()
        return {v["key"]: v for v in found if v["environment_scope"] == scope}

    def token(self, scope: str, key: str = "KUBE_TOKEN") -> str:
        """A token as a job gets it."""
        return str(self.variables(scope)[key]["value"])

    def kubeconfig(self, scope: str, directory: Path, key: str = "KUBECONFIG_FILE") -> str:
        """A kubeconfig as a job gets it: a file, of which the variable is the path."""
        path = directory / key
        path.touch(mode=0o600)
        path.write_text(self.variables(scope)[key]["value"])
        return str(path)

    def discard(self) -> None:
        """Takes away what is in the cluster, without waiting for it; quicker than a destroy, which has its own test."""
        policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
        with kubernetes() as admin:
            for page in ("/api/v1/namespaces", f"{policies}ies", f"{policies}ybindings"):
                for item in admin.get(page).json()["items"]:
                    if self.tag in item["metadata"]["name"]:
                        admin.delete(f"{page}/{item['metadata']['name']}")


def gitlab(method: str, path: str, **body: Any) -> httpx2.Response:
    """One request to GitLab as its administrator."""
    headers = {"PRIVATE-TOKEN": os.environ["GITLAB_TOKEN"]}
    return httpx2.request(method, API + path, headers=headers, json=body or None)


def steer(method: str, path: str, **body: Any) -> None:
    """One of the stand-in's own handles."""
    url, headers = API.removesuffix("/api/v4/") + f"/sandbox/{path}", {"PRIVATE-TOKEN": os.environ["GITLAB_TOKEN"]}
    assert httpx2.request(method, url, headers=headers, json=body or None).is_success


@contextmanager
def faulty(**what: Any) -> Iterator[None]:
    """Lets GitLab answer with a fault while the block runs."""
    steer("POST", "faults", **what)
    try:
        yield
    finally:
        steer("DELETE", "faults")


def new_project() -> dict[str, Any]:
    """A GitLab project that no other test has."""
    answer = gitlab("POST", "projects", name=f"p{uuid.uuid4().hex[:8]}", initialize_with_readme=True)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def kubernetes(token: str | None = None) -> httpx2.Client:
    """A client of the API server: with a bearer token, else with the administrator's certificate."""
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    cluster, admin = config["clusters"][0]["cluster"], config["users"][0]["user"]
    tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    if token is None:
        with tempfile.NamedTemporaryFile() as pair:  # 0600, gone once it is read
            for part in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(admin[part]))
            pair.flush()
            tls.load_cert_chain(pair.name)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.Client(base_url=cluster["server"], headers=headers, verify=tls, timeout=10)


def refused_within(token: str, seconds: float) -> float:
    """How long the API server still takes the token; raises AssertionError where it is longer than so many seconds."""
    began = time.monotonic()
    with kubernetes(token) as client:
        while client.get("/apis").status_code != 401:
            assert time.monotonic() - began < seconds, f"the token is still good after {seconds} s"
            time.sleep(0.25)
    return time.monotonic() - began


@contextmanager
def sampled_arguments(found: set[str]) -> Iterator[None]:
    """Collects the command lines of all processes of this machine while the block runs."""
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    found.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue  # it has ended

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
