"""A project of `slipway init` with the wheel: access as administrator, staging and production as the deploy identity,
v2 and a rollback under load, a table."""

import base64
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.request import urlopen

from lightkube import Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Service
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demo.identity import job_environment
from demo.workspace import CommandFailed, Workspace
from pulumi_slipway.core.keys import RELEASE_LABEL
from sandbox import images
from sandbox.load import Load, Result

RATE = 600  # new connections a second
console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Row:
    """One release of the demo, as it was found in the cluster when it was done."""

    what: str
    environment: str
    release: str
    image: str
    ready: str
    seconds: float
    load: Result | None = None


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """One step with a spinner that shows what its command says, and its time at the end."""
    began = time.monotonic()
    with console.status(title) as status:
        yield lambda line: status.update(f"{title}  [dim]{escape(line[:100])}")
    console.print(f"[green]✔[/] {title}  [dim]{time.monotonic() - began:.1f} s")


def main() -> int:
    """The demo; 0 when no request was lost."""
    name, registry = os.environ["SLIPWAY_SANDBOX"], os.environ["SLIPWAY_SANDBOX_REGISTRY"]
    home = Path(f"/var/lib/slipway/{name}/demo")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster, rows, repository = Client(), [], f"{registry}/demo/app"
    shutil.rmtree(home / "project", ignore_errors=True)  # an earlier sandbox's, with what that one's key encrypted

    with step("init: a project of six kinds of files (slipway init --yes), the wheel in its environment"):
        work = Workspace(home / "project", "--name=demo", "--workload=myapp", "--gitlab-project=demo/app")
    with step("image: the sample app as v1 and v2, pushed to the registry"):
        for version, colour in (("v1", "blue"), ("v2", "green")):
            images.push(images.build(version, colour), repository)
    configure(work, registry)
    with step("access: namespaces, deploy identities, tokens, GitLab variables (pulumi up as administrator)") as tell:
        work.up("access", tell=tell)
    jobs = {environment: job_environment(environment, home) for environment in ("staging", "production")}

    def release(what: str, environment: str, load: Load | None = None, image: str | None = None) -> None:
        command = ["slipway", "up" if image else "rollback", "--stack", environment]  # what the CI job runs
        title = f"{environment}: {what} ({' '.join(command[:2])} as the deploy identity" + (
            f", {RATE} connections/s)" if load else ")"
        )
        began = time.monotonic()
        with step(title) as tell:
            work.run(command, env={**jobs[environment], **({"SLIPWAY_IMAGE": image} if image else {})}, tell=tell)
        seconds = time.monotonic() - began
        rows.append(found(cluster, what, environment, seconds))

    for environment in ("staging", "production"):
        release("v1", environment, image=f"{repository}:v1")
    service = cluster.get(Service, "myapp", namespace="production")
    address = str(service.spec.clusterIP) if service.spec else ""
    answering(f"http://{address}/")
    for what, image in (("v2", f"{repository}:v2"), ("rollback", None)):
        with Load(f"http://{address}:80/", rate=RATE) as load:
            time.sleep(1)
            release(what, "production", load, image)
            time.sleep(6)  # until the last old pod is gone: its preStop is 5 s
        rows[-1] = Row(**{**vars(rows[-1]), "load": load.result})
    console.print(table(rows), soft_wrap=False)
    look_around(name, address)
    return 0 if all(row.load is None or row.load.failed == 0 for row in rows) else 1


def configure(work: Workspace, registry: str) -> None:
    """What the sandbox needs beyond what `slipway init` writes: its registry asks for a login."""
    path = Path(os.environ["DOCKER_CONFIG"]) / "config.json"
    user, _, password = (
        base64.b64decode(json.loads(path.read_text())["auths"][registry]["auth"]).decode().partition(":")
    )
    work.run(["pulumi", "stack", "select", "--create", "access"])
    config = ["pulumi", "config", "--stack", "access"]
    login = [f"slipway:access.registry.{key}={value}" for key, value in (("server", registry), ("username", user))]
    work.run([*config, "set-all", "--path", *(part for pair in login for part in ("--plaintext", pair))])
    work.run([*config, "set", "--path", "slipway:access.registry.password", "--secret"], secret=password)
    for stack in ("staging", "production"):
        file = work.directory / f"Pulumi.{stack}.yaml"
        file.write_text(file.read_text().replace("# imagePullSecret:", "imagePullSecret:"))


def found(cluster: Client, what: str, environment: str, seconds: float) -> Row:
    """What runs in the environment now."""
    live = cluster.get(Deployment, "myapp", namespace=environment).to_dict()
    template = live["spec"]["template"]
    ready = f"{live['status'].get('readyReplicas', 0)}/{live['spec']['replicas']}"
    digest = template["spec"]["containers"][0]["image"].rpartition("@")[2]
    return Row(
        what,
        environment,
        template["metadata"]["labels"][RELEASE_LABEL],
        digest.removeprefix("sha256:")[:12],
        ready,
        seconds,
    )


def answering(url: str, seconds: float = 30) -> None:
    """Returns when the Service answers: kube-proxy routes a new one up to a second after its first pods are Ready."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urlopen(url, timeout=2):  # noqa: S310 - a Service's address
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise CommandFailed(f"{url} does not answer after {seconds:g} s: {error}") from None
            time.sleep(0.05)


def table(rows: list[Row]) -> Table:
    """The closing table, narrow enough for the 80 columns that a log or a plain terminal has."""
    closing = Table(title="What happened", box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for column in ("environment", "what", "release", "image digest", "ready", "requests", "failed", "seconds"):
        justify: Literal["left", "right"] = "right" if column in ("requests", "failed", "seconds") else "left"
        closing.add_column(column, justify=justify, no_wrap=True)
    for row in rows:
        sent, failed = (f"{row.load.sent:,}", f"{row.load.failed:,}") if row.load else ("", "")
        closing.add_row(
            row.environment, row.what, row.release, row.image, row.ready, sent, failed, f"{row.seconds:.1f}"
        )
    return closing


def look_around(name: str, address: str) -> None:
    """How to go on from here; with NAME where `make` would take another sandbox."""
    which = "" if name == "demo" else f" NAME={name}"
    console.print(
        f"""
Look around:
  {f"make shell{which}":<24}a shell inside the sandbox, with kubectl, pulumi and helm, then for example
    kubectl -n production get deployment,service,configmap,pods
    kubectl -n production get configmap myapp-releases -o yaml     the ledger
    {f"curl http://{address}/":<59}the app
    cd /var/lib/slipway/{name}/demo/project && pulumi stack ls     the stacks
  {f"make status{which}":<24}what runs in the sandbox
  {f"make down{which}":<24}end it; its images and logs stay
Inside the sandbox: GitLab stand-in {os.environ["GITLAB_BASE_URL"]}
                    Prometheus {os.environ["SLIPWAY_SANDBOX_PROMETHEUS"]}"""
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CommandFailed, images.ImageError) as error:
        console.print(f"[red]the demo stopped:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
