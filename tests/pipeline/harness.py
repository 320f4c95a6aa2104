"""Runs .gitlab-ci.yml for real: gitlab-ci-local as runner, the sandbox's cluster and registry, GitLab's stand-in."""

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from demo.installed import CHECKOUT
from demo.workspace import Workspace
from pulumi_slipway.version import VERSION
from sandbox import runner
from sandbox.gitlab.job_variables import ref_is_protected
from sandbox.gobuild import go_binary
from sandbox.images import APP_SOURCE
from tests.engine.access_stack import AccessStack, gitlab, kubernetes, steer

PIPELINE_SECONDS = 480
"""A pipeline that takes longer hangs: its tree is killed, and the test fails with what it had said."""

DOCKERFILE = """\
FROM scratch
COPY app /app
ENV COLOUR=blue VERSION=v0
USER 65532
EXPOSE 3000
ENTRYPOINT ["/app"]
"""

TESTS = """\
#!/bin/sh
# What goes into the image is started and asked, as users will ask it.
set -e
PORT=0 VERSION=tested ./app & pid=$!
trap 'kill $pid' EXIT
kill -0 $pid
cat > ../report.xml <<X
<testsuite name="app" tests="1" failures="0"><testcase classname="app" name="starts"/></testsuite>
X
"""

FILLED_IN = {
    "# build-context: app": "build-context: app",
    "# dockerfile: app/Dockerfile": "dockerfile: app/Dockerfile",
    "# test-script: [npm ci, npm test]": "test-script: [sh test.sh]",
    "# builder: buildah": "builder: buildah",
}
"""What a user takes the comments off in the .gitlab-ci.yml that `slipway init` writes."""

UNCACHED = """
# The environment of Python is there (a link), and this runner copies what is cached, file by file, after every job.
.slipway:
  cache: []
"""

COMPONENTS = "platform/slipway"
"""The GitLab project that the CI components are in."""


@dataclass(frozen=True)
class Outcome:
    """A finished pipeline."""

    status: int
    output: str
    checkout: Path
    seconds: float

    def expect(self, status: int = 0) -> "Outcome":
        """Itself, where it ended so; else an AssertionError with all that it said."""
        assert self.status == status, f"exit {self.status}, not {status}:\n{self.output}"
        return self

    def artifact(self, job: str, path: str) -> Path:
        """A file that a job left."""
        return self.checkout / ".gitlab-ci-local" / "artifacts" / job / path

    def log(self, job: str) -> str:
        """What a job said; empty where it never ran."""
        file = self.checkout / ".gitlab-ci-local" / "output" / f"{job}.log"
        return file.read_text() if file.exists() else ""


class Running:
    """A pipeline at work."""

    def __init__(
        self, command: Sequence[str], checkout: Path, environ: Mapping[str, str],
        told: Callable[[str], None] = lambda status: None,
    ) -> None:  # fmt: skip
        """`told`: where the runner reports how its job is to GitLab."""
        self._told, self._asked_to_end = told, False
        self._told("running")
        self._checkout, self._began, self._log = checkout, time.monotonic(), checkout.parent / f"{uuid.uuid4().hex}.out"
        with self._log.open("w") as out:
            self.process = subprocess.Popen(
                command, cwd=checkout, env=dict(environ), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def said(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    @property
    def ended(self) -> bool:
        """Whether it has come to its end."""
        return self.process.poll() is not None

    def wait(self, seconds: float = PIPELINE_SECONDS) -> Outcome:
        """Waits for its end."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            raise AssertionError(f"no end after {seconds} s:\n{self.said}") from None
        self._told("failed" if status or self._asked_to_end else "success")
        return Outcome(status, self.said, self._checkout, time.monotonic() - self._began)

    def signal(self, number: int) -> None:
        """What GitLab's runner does to a job: a signal to the processes of the job, its shell and all below it."""
        self._asked_to_end = True
        for pid in self.jobs():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def jobs(self) -> list[int]:
        """Processes of the runner's session but for the runner itself; the engine has a session of its own."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(") ")[2].split()
                if (
                    int(fields[3]) == self.process.pid
                    and fields[0] != "Z"
                    and int(stat.parent.name) != self.process.pid
                ):
                    found.append(int(stat.parent.name))
        return found


class Delivery:
    """A GitLab project with the sample app and Slipway, its access stack, and pipelines that run on it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.repository = directory, directory / "repository"
        self.access = AccessStack(directory / "access")
        self.path = self.access.project["path_with_namespace"]
        self._id = self.access.project["id"]
        self._numbers = itertools.count(1)
        self.home = directory / "home"
        self.home.mkdir(mode=0o700)
        self.more: dict[str, dict[str, Any]] = {}
        """By environment: further settings of it."""
        self.states = {name: directory / f"state-{name}" for name in ("staging", "production", "review")}
        for state in self.states.values():
            state.mkdir(mode=0o700)
        self.passphrases = {name: f"passphrase-of-{name}-{uuid.uuid4().hex}" for name in self.states}
        self._grant()
        self._repository()

    # --- GitLab and the access stack

    def _grant(self) -> None:
        """The access stack as an administrator runs it: identities, GitLab's variables with state and passphrase."""
        registry = os.environ["SLIPWAY_SANDBOX_REGISTRY"]
        auths = json.loads((Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text())["auths"]
        user, _, password = base64.b64decode(auths[registry]["auth"]).decode().partition(":")
        self.registry = (registry, user, password)
        environments: dict[str, dict[str, Any]] = {
            "staging": {"branches": ["develop"], "tier": "staging"},
            "production": {"branches": ["main"], "tier": "production"},
            "review": {"scope": "review/*", "protected": False, "preview": False, "quota": {"pods": 8}},
        }
        self.access.configure(
            environments,
            registry={"server": registry, "username": user, "password": "later"},
            gitlab={"protectedTags": ["v*"]},
        )
        gitlab("POST", f"projects/{self._id}/repository/branches", branch="develop", ref="main")
        self._secrets(password)
        if self.access.run.up().status:  # a machine under load has lost a plugin's process: the next run goes on
            self.access.up()
        for name, value, protected in (
            ("SLIPWAY_NOTE_TOKEN", self._token("reporter", 20), False),
            ("SLIPWAY_API_TOKEN", self._token("developer", 30), True),
        ):
            gitlab("POST", f"projects/{self._id}/variables", key=name, value=value, masked=True, protected=protected)

    def _secrets(self, password: str) -> None:
        """Into the stack file, encrypted."""
        values = {"slipway:access.registry.password": password}
        for name, state in self.states.items():
            base = f"slipway:access.environments.{name}.variables"
            values[f"{base}.PULUMI_BACKEND_URL"] = f"file://{state}"
            values[f"{base}.PULUMI_CONFIG_PASSPHRASE"] = self.passphrases[name]
        for path, value in values.items():
            self.access.run.secret(path, value)  # by standard input

    def _token(self, name: str, level: int) -> str:
        """A project access token."""
        answer = gitlab(
            "POST", f"projects/{self._id}/access_tokens", name=name, scopes=["api"], access_level=level,
            expires_at=time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86400)),
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def gitlab(self, method: str, path: str, **body: Any) -> Any:
        """One request about this project, as GitLab's administrator."""
        answer = gitlab(method, f"projects/{self._id}/{path}", **body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.text else None

    def merge_request(self, branch: str, target: str = "develop") -> int:
        """Opens a merge request; its number."""
        return int(
            self.gitlab("POST", "merge_requests", source_branch=branch, target_branch=target, title=branch)["iid"]
        )

    def namespace(self, environment: str) -> str:
        """Where an environment lives in the cluster."""
        return self.access.namespace(environment)

    # --- the repository

    def _repository(self) -> None:
        """What `slipway init` writes, filled in, and the app: the wheel is all of Slipway that there is."""
        root = self.repository
        # The project's name is that of the access stack, which the schedule `rotate` runs again.
        Workspace(root, "--name=slipway", "--workload=myapp", f"--gitlab-project={self.path}")
        text = (root / ".gitlab-ci.yml").read_text()
        for shown, chosen in FILLED_IN.items():
            assert shown in text
            text = text.replace(shown, chosen)
        (root / ".gitlab-ci.yml").write_text(text + UNCACHED)
        app = root / "app"
        app.mkdir()
        shutil.copy(go_binary(APP_SOURCE, "app"), app / "app")
        (app / "app").chmod(0o755)
        (app / "Dockerfile").write_text(DOCKERFILE)
        (app / "test.sh").write_text(TESTS)
        for name in self.states:
            (root / f"Pulumi.{name}.yaml").write_text(self.stack_file(name))
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "--force", ".venv")  # in the place of GitLab's cache: a link to what a job would install
        self.commit("The app and its delivery")
        self.git("branch", "develop")

    def stack_file(self, environment: str, **workload: Any) -> str:
        """The settings of an environment; `workload` goes over the sample app's."""
        settings = {
            "replicas": 1,
            "probe": {"path": "/healthz", "period": "1s"},
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
            "progressDeadline": "60s",
            **workload,
        }
        block = {
            "slipway:environment": {
                "name": environment, "namespace": self.namespace(environment), "imagePullSecret": "gitlab-registry",
                **self.more.get(environment, {}),
            },
            "slipway:workloads": {"myapp": settings},
        }  # fmt: skip
        return yaml.safe_dump({"config": block}, sort_keys=False)

    def git(self, *arguments: str) -> str:
        """Git in the repository."""
        identity = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.repository, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str, files: Mapping[str, str] | None = None) -> str:
        """Commits these contents on the branch that is checked out; the short SHA."""
        for name, text in (files or {}).items():
            (self.repository / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")[:8]

    def release(self, **environment: str) -> str:
        """Commits a new version of the app, with these variables in its image; the version, as it answers."""
        version = f"v{uuid.uuid4().hex[:8]}"
        more = "".join(f" {key}={value}" for key, value in environment.items())
        self.commit(version, {"app/Dockerfile": DOCKERFILE.replace("VERSION=v0", f"VERSION={version}{more}")})
        return version

    def branch(self, name: str, start: str = "develop") -> None:
        """A new branch, checked out, which GitLab knows."""
        self.git("checkout", "--quiet", "-B", name, start)
        gitlab("POST", f"projects/{self._id}/repository/branches", branch=name, ref="main")

    # --- pipelines

    def protected(self, ref: str) -> bool:
        """Whether GitLab protects a branch."""
        return ref_is_protected([entry["name"] for entry in self.gitlab("GET", "protected_branches?per_page=100")], ref)

    def push(self, branch: str, *jobs: str, **variables: str) -> Outcome:
        """The pipeline of a push."""
        return self.start(branch, jobs, variables).wait()

    def request(self, branch: str, number: int, *jobs: str, **variables: str) -> Outcome:
        """The pipeline of a merge request."""
        about = {
            "CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": str(number),
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": branch, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "develop",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": self.path, "CI_MERGE_REQUEST_PROJECT_PATH": self.path,
        }  # fmt: skip
        return self.start(branch, jobs, about | variables, unset=("CI_COMMIT_BRANCH",)).wait()

    def schedule(self, what: str, *jobs: str, branch: str = "main") -> Outcome:
        """The pipeline of a schedule."""
        return self.start(branch, jobs, {"CI_PIPELINE_SOURCE": "schedule", "SLIPWAY_SCHEDULE": what}).wait()

    def again(self, before: Outcome, *jobs: str, **variables: str) -> Outcome:
        """Jobs of an earlier pipeline, as somebody runs them from GitLab's page: its checkout, its artifacts.

        `variables`: what the person gives to the job there.
        """
        return self.start_again(before, *jobs, **variables).wait()

    def start_again(self, before: Outcome, *jobs: str, **variables: str) -> Running:
        """The same, while the test does something else."""
        arguments = json.loads((before.checkout.parent / "arguments.json").read_text())
        home = before.checkout.parent / "home"
        given = [f"--variable={name}={value}" for name, value in variables.items()]
        number, told = self._job()
        given.append(f"--variable=CI_JOB_ID={number}")
        return Running([*arguments, *given, *jobs], before.checkout, self._environ(home), told)

    def start(
        self, branch: str, jobs: Sequence[str] = (), variables: Mapping[str, str] | None = None,
        unset: Sequence[str] = (), manual: Sequence[str] = (),
    ) -> Running:  # fmt: skip
        """A pipeline on a fresh clone, with the variables that GitLab gives to jobs of this branch, and no others."""
        place = self.directory / "pipelines" / uuid.uuid4().hex[:8]
        place.mkdir(parents=True)
        checkout, home = place / "checkout", place / "home"
        subprocess.run(
            ["git", "clone", "--quiet", "--branch", branch, str(self.repository), str(checkout)],
            check=True, capture_output=True,
        )  # fmt: skip
        url = os.environ["GITLAB_BASE_URL"].removesuffix("/api/v4/")
        subprocess.run(["git", "remote", "set-url", "origin", f"{url}/{self.path}.git"], cwd=checkout, check=True)
        subprocess.run(["git", "remote", "set-head", "origin", "main"], cwd=checkout, check=True, capture_output=True)
        # Where the runner keeps what it has fetched of other projects: the components at the tag of this version.
        fetched = checkout / ".gitlab-ci-local" / "includes" / urlsplit(url).hostname / COMPONENTS / VERSION
        for name in ("templates", "ci"):
            shutil.copytree(CHECKOUT / name, fetched / name, ignore=shutil.ignore_patterns("__pycache__"))
        self._variables(home, branch)
        (home / ".pulumi").mkdir()  # the runner's image brings the plugins
        (home / ".pulumi" / "plugins").symlink_to(Path(os.environ["PULUMI_HOME"]) / "plugins")
        about = {
            "CI_COMMIT_REF_PROTECTED": str(self.protected(branch)).lower(), "CI_SERVER_URL": url,
            "CI_PROJECT_ID": str(self._id), "PULUMI_HOME": str(home / ".pulumi"), **(variables or {}),
        }  # fmt: skip
        arguments = [
            str(runner.command()), "--force-shell-executor", "--shell-isolation", "--home", str(home), "--no-color",
            "--no-json-schema-validation",  # tests/unit/test_templates.py does that
           
            *(f"--variable={name}={value}" for name, value in about.items()),
            *(f"--unset-variable={name}" for name in unset),
        ]  # fmt: skip
        (place / "arguments.json").write_text(json.dumps(arguments))
        more = [f"--manual={name}" for name in manual]
        number, told = self._job()
        more.append(f"--variable=CI_JOB_ID={number}")
        return Running([*arguments, *more, *jobs], checkout, self._environ(home), told)

    def _job(self) -> tuple[int, Callable[[str], None]]:
        """A job's number, one for all that this runner starts at once, and what tells GitLab how it is."""
        number = next(self._numbers)
        return number, lambda status: steer("PUT", f"projects/{self._id}/jobs/{number}", status=status)

    def _environ(self, home: Path) -> dict[str, str]:
        """What is on the runner's machine, and nothing of an administrator's: no kubeconfig, no token."""
        kept = ("PATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "LANG")
        environ = {name: os.environ[name] for name in kept if name in os.environ}
        return environ | {
            "HOME": str(home), "LANG": "C.UTF-8", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }  # fmt: skip

    def _variables(self, home: Path, branch: str) -> None:
        """GitLab's variables for jobs of this branch, in the runner's file: protected ones only for protected ones."""
        protected = self.protected(branch)
        found: dict[str, dict[str, Any]] = {}
        for variable in self.gitlab("GET", "variables?per_page=100"):
            if protected or not variable["protected"]:
                kind = "file" if variable["variable_type"] == "file" else "variable"
                entry = found.setdefault(variable["key"], {"type": kind, "values": {}})
                entry["values"][variable["environment_scope"]] = variable["value"]
        server, user, password = self.registry
        for key, value in (
            ("CI_REGISTRY", server), ("CI_REGISTRY_IMAGE", f"{server}/{self.path.lower()}"),
            ("CI_REGISTRY_USER", user), ("CI_REGISTRY_PASSWORD", password),
        ):  # fmt: skip
            found[key] = {"type": "variable", "values": {"*": value}}
        file = home / ".gitlab-ci-local" / "variables.yml"
        file.parent.mkdir(parents=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump({"global": found}))

    # --- the cluster

    def version(self, environment: str, workload: str = "myapp") -> str | None:
        """The commit that answers in an environment: asked through its Service; None where there is none."""
        with kubernetes() as admin:
            path = f"/api/v1/namespaces/{self.namespace(environment)}/services/{workload}:80/proxy/version"
            answer = admin.get(path)
        return str(answer.json()["version"]) if answer.status_code == 200 else None

    def image(self, environment: str, workload: str = "myapp") -> str:
        """The image that the environment's Deployment runs."""
        path = f"/apis/apps/v1/namespaces/{self.namespace(environment)}/deployments/{workload}"
        with kubernetes() as admin:
            found = admin.get(path).json()
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def names(self, environment: str, kind: str = "deployments") -> list[str]:
        """The objects of one kind in an environment."""
        group = "/apis/apps/v1" if kind == "deployments" else "/api/v1"
        with kubernetes() as admin:
            items = admin.get(f"{group}/namespaces/{self.namespace(environment)}/{quote(kind)}").json()["items"]
        # What is on its way out waits for its pods' grace.
        return sorted(i["metadata"]["name"] for i in items if not i["metadata"].get("deletionTimestamp"))

    def object(self, environment: str, path: str) -> dict[str, Any] | None:
        """An object of an environment, like `apps/v1/deployments/myapp` or `v1/configmaps/x`; None where it is gone."""
        version, _, rest = path.rpartition("/")[0].rpartition("/")
        name = path.rpartition("/")[2]
        group = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        with kubernetes() as admin:
            answer = admin.get(f"{group}/namespaces/{self.namespace(environment)}/{rest}/{name}")
        return answer.json() if answer.status_code == 200 else None

    def discard(self) -> None:
        """Takes away what is in the cluster."""
        self.access.discard()
