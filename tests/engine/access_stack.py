"""An access stack of its own for a test: a directory, a state, a GitLab project, and names that nobody else has."""

import base64
import json
import os
import ssl
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = ("__main__.py", "errors.py", "access", "components", "preflight", "release", "settings", ".venv")
API = os.environ.get("GITLAB_BASE_URL", "")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that it wrote."""
        return self.stdout + self.stderr


@dataclass
class AccessStack:
    """`pulumi` on an access stack, as an administrator."""

    directory: Path
    project: dict[str, Any]
    tag: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:6]}")
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in PROGRAM:
            (self.directory / name).symlink_to(CHECKOUT / name)
        (self.directory / "Pulumi.yaml").write_text((CHECKOUT / "Pulumi.yaml").read_text())
        (self.directory / "state").mkdir()
        self.environ = {**os.environ, "PULUMI_BACKEND_URL": f"file://{self.directory / 'state'}", **self.environ}
        assert self.pulumi("stack", "init", "access").status == 0

    def namespace(self, environment: str) -> str:
        """Where an environment of this stack lives."""
        return f"{self.tag}-{environment}"

    def configure(self, environments: Mapping[str, Mapping[str, Any]], **settings: Any) -> None:
        """Writes the settings; each environment gets a namespace of this test's own, its scope stays its key."""
        named = {name: {"namespace": self.namespace(name), **values} for name, values in environments.items()}
        access = {"gitlab": {"project": self.project["path_with_namespace"]}, "environments": named, **settings}
        path = self.directory / "Pulumi.access.yaml"
        old = yaml.safe_load(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**(old or {}), "config": {"slipway:access": access}}))  # JSON is YAML

    def set_secret(self, path: str, value: str) -> None:
        """Puts a secret into the settings, encrypted; it goes through stdin, never the command line."""
        done = self.pulumi("config", "set", "--secret", "--path", f"slipway:access.{path}", stdin=value)
        assert done.status == 0, done.text

    def pulumi(self, *command: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> Done:
        """Runs pulumi on the stack and waits."""
        stack = [] if command[0] == "stack" and command[1] == "init" else ["--stack", "access"]
        done = subprocess.run(
            ["pulumi", *command, *stack, "--non-interactive", "--color", "never"],
            cwd=self.directory, env={**self.environ, **(env or {})}, input=stdin, capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def up(self, *options: str, env: Mapping[str, str] | None = None) -> Done:
        """`pulumi up`, without its own preview."""
        return self.pulumi("up", "--yes", "--skip-preview", *options, env=env)

    def succeed(self, *options: str) -> Done:
        """`pulumi up` that must end well."""
        done = self.up(*options)
        assert done.status == 0, done.text
        return done

    def variables(self, scope: str) -> dict[str, dict[str, Any]]:
        """GitLab's variables of a scope, read back by key."""
        found = gitlab("GET", f"projects/{self.project['id']}/variables?per_page=100").json()
        return {v["key"]: v for v in found if v["environment_scope"] == scope}

    def token(self, scope: str, key: str = "KUBE_TOKEN") -> str:
        """A token as a job gets it."""
        return str(self.variables(scope)[key]["value"])


def gitlab(method: str, path: str, **body: Any) -> httpx2.Response:
    """One request to GitLab as its administrator."""
    headers = {"PRIVATE-TOKEN": os.environ["GITLAB_TOKEN"]}
    return httpx2.request(method, API + path, headers=headers, json=body or None)


@contextmanager
def faulty(**what: Any) -> Iterator[None]:
    """Lets GitLab answer with a fault while the block runs."""
    url, headers = API.removesuffix("/api/v4/") + "/sandbox/faults", {"PRIVATE-TOKEN": os.environ["GITLAB_TOKEN"]}
    assert httpx2.post(url, headers=headers, json=what).status_code == 201
    try:
        yield
    finally:
        httpx2.delete(url, headers=headers)


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
