"""What stands in the way of a deployment is said in one line, in time, before anything is written."""

import base64
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import Client
from lightkube.models.authentication_v1 import BoundObjectReference, TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.models.rbac_v1 import PolicyRule, RoleRef, Subject
from lightkube.resources.core_v1 import Namespace, Secret, ServiceAccount
from lightkube.resources.rbac_authorization_v1 import Role, RoleBinding

from pulumi_slipway.access import rights
from pulumi_slipway.access.rights import Rule
from pulumi_slipway.release.observe import KINDS
from sandbox.pki import Authority
from tests.engine.harness import Outcome, Project, app, stack, within

WHOLE_SECONDS = 10
"""What a run against a cluster that does not answer may take in all."""


@dataclass
class Bench:
    """One project and one namespace for all cases: nothing is ever written, so there is nothing to undo."""

    project: Project
    namespace: str
    admin: Client
    directory: Path

    def objects(self) -> set[tuple[str, str, str]]:
        """All that stands in the namespace: kind, name and version; not what the cluster itself puts there."""
        return {
            (kind, found.metadata.name, found.metadata.resourceVersion)
            for kind, resource in KINDS.items()
            for found in self.admin.list(resource, namespace=self.namespace)
            if found.metadata.name != "kube-root-ca.crt"
        }

    def configure(self, namespace: str | None = None, **settings: Any) -> None:
        """One workload, myapp."""
        self.project.configure(stack(namespace or self.namespace, myapp=app(**settings)))

    def refusal(self, run: Callable[..., Outcome] | None = None, **environ: str) -> str:
        """The one line of a run that must fail and leave everything as it is."""
        before = self.objects()
        outcome = (run or self.project.up)(**environ)
        assert outcome.status > 0, outcome.output
        assert "Traceback" not in outcome.output
        assert self.objects() == before
        (line,) = errors(outcome)
        return line

    def kubeconfig(self, **changes: Any) -> str:
        """A kubeconfig like the administrator's; `server`, `ca`, `user` instead of its own."""
        config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
        cluster = config["clusters"][0]["cluster"]
        cluster["server"] = changes.get("server", cluster["server"])
        cluster["certificate-authority-data"] = changes.get("ca", cluster["certificate-authority-data"])
        config["users"][0]["user"] = changes.get("user", config["users"][0]["user"])
        return self.file("kubeconfig", json.dumps(config))

    def file(self, name: str, content: str) -> str:
        """A file that only its owner reads."""
        path = self.directory / f"{name}-{secrets.token_hex(4)}"
        path.touch(mode=0o600)
        path.write_text(content)
        return str(path)

    def account(self, *rules: Rule) -> str:
        """Name of a new service account with these rights in the namespace."""
        metadata = ObjectMeta(name=f"a-{secrets.token_hex(4)}", namespace=self.namespace)
        self.admin.create(ServiceAccount(metadata=metadata))
        held = [
            PolicyRule(
                apiGroups=list(rule.groups),
                resources=list(rule.resources),
                verbs=list(rule.verbs),
                resourceNames=list(rule.names) or None,
            )
            for rule in rules
        ]
        name = str(metadata.name)
        self.admin.create(Role(metadata=metadata, rules=held))
        self.admin.create(
            RoleBinding(
                metadata=metadata,
                roleRef=RoleRef(apiGroup="rbac.authorization.k8s.io", kind="Role", name=name),
                subjects=[Subject(kind="ServiceAccount", name=name, namespace=self.namespace)],
            )
        )
        return name

    def token(self, account: str, bound_to: str | None = None) -> str:
        """A token of the account; it dies with the Secret that it is bound to."""
        reference = BoundObjectReference(apiVersion="v1", kind="Secret", name=bound_to) if bound_to else None
        spec = TokenRequestSpec(audiences=[], boundObjectRef=reference, expirationSeconds=600)
        request = ServiceAccount.Token(metadata=ObjectMeta(), spec=spec)
        made = self.admin.create(request, account, namespace=self.namespace)
        assert made.status
        return str(made.status.token)

    def identity(self, *rules: Rule) -> str:
        """The kubeconfig of a new service account with these rights in the namespace."""
        return self.kubeconfig(user={"token": self.token(self.account(*rules))})


def errors(outcome: Outcome) -> list[str]:
    """The lines that say what is wrong, without the engine's own that something is."""
    told = [event["diagnosticEvent"] for event in outcome.events if "diagnosticEvent" in event]
    text = "".join(event["message"] for event in told if event["severity"] in ("error", "info#err")).replace(
        "error: ", ""
    )
    return [line for line in text.splitlines() if line.strip() and not line.endswith(" failed")]


def planned(preview: Outcome) -> dict[str, str]:
    """What a preview says of the objects in the cluster: operation by name; what stays is left out."""
    steps = [event["resourcePreEvent"]["metadata"] for event in preview.events if "resourcePreEvent" in event]
    return {
        step["urn"].rpartition("::")[2]: step["op"]
        for step in steps
        if step["type"].startswith("kubernetes:") and step["op"] != "same"
    }


@pytest.fixture(scope="module")
def bench(sandbox: str, admin: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench; its namespace's end is not waited for."""
    directory, name = tmp_path_factory.mktemp("preflight"), f"t-{secrets.token_hex(4)}"
    admin.create(Namespace(metadata=ObjectMeta(name=name)))
    yield Bench(Project(directory), name, admin, directory)
    admin.delete(Namespace, name)


@pytest.fixture(autouse=True)
def _plain(bench: Bench) -> None:
    bench.configure()


# The cluster


@contextmanager
def closed() -> Iterator[str]:
    """A port where nobody listens: the kernel refuses at once."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def silent() -> Iterator[str]:
    """A port that answers nothing at all, as behind a firewall that drops: its queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for held in (first, second):
            held.setblocking(False)
            held.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def mute() -> Iterator[str]:
    """A port that takes the connection and then never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(("command", "nobody"), [("up", closed), ("up", silent), ("preview", silent), ("up", mute)])
def test_a_cluster_that_does_not_answer_is_told_within_ten_seconds(bench, nobody, command):
    with nobody() as address:
        config = bench.kubeconfig(server=f"https://{address}")
        with within(WHOLE_SECONDS, f"a run against a {nobody.__name__} cluster"):
            line = bench.refusal(getattr(bench.project, command), KUBECONFIG=config)
    assert line.startswith(f"the cluster https://{address} does not answer (")
    assert line.endswith("check the server in the kubeconfig and the network of the job")


def test_what_is_no_kubernetes_api_server_is_told_so(bench):
    server = os.environ["GITLAB_BASE_URL"].removesuffix("/api/v4/")
    line = bench.refusal(KUBECONFIG=bench.kubeconfig(server=server))
    assert line.startswith(f"what answers at {server} is no Kubernetes API server")


def test_a_certificate_of_another_authority_is_told(bench, tmp_path):
    other = Authority(tmp_path).pem
    line = bench.refusal(KUBECONFIG=bench.kubeconfig(ca=base64.b64encode(other.encode()).decode()))
    assert "shows a certificate that the kubeconfig does not trust" in line
    assert "certificate-authority-data" in line


def test_a_token_that_is_revoked_or_expired_is_told(bench, admin):
    secret, account = f"s-{secrets.token_hex(4)}", bench.account()
    admin.create(Secret(metadata=ObjectMeta(name=secret, namespace=bench.namespace)))
    token = bench.token(account, bound_to=secret)
    admin.delete(Secret, secret, namespace=bench.namespace)  # never used, so in no cache of the API server
    line = bench.refusal(KUBECONFIG=bench.kubeconfig(user={"token": token}))
    assert "does not accept this identity (401 Unauthorized): its token is expired or revoked" in line
    assert "run `pulumi up` on the access stack" in line
    assert token not in line


# The kubeconfig


def test_a_broken_kubeconfig_is_told_with_its_path(bench):
    path = bench.file("kubeconfig", "{apiVersion: v1, kind: Secret}")
    assert bench.refusal(KUBECONFIG=path) == (
        f"no usable kubeconfig (KUBECONFIG={path}: 'clusters' is missing): set KUBECONFIG to one file with a current "
        "context, in a GitLab job to $KUBECONFIG_FILE"
    )


def test_no_kubeconfig_at_all_is_told(bench):
    home = bench.directory / "home-of-nobody"
    line = bench.refusal(KUBECONFIG="", HOME=str(home))
    assert line.startswith(f"no usable kubeconfig ({home}/.kube/config: ")


# Namespace and rights


def test_a_missing_namespace_is_told_to_an_administrator(bench):
    bench.configure(namespace="not-there")
    assert bench.refusal() == (
        "namespace not-there does not exist: run `pulumi up` on the access stack, which makes it"
    )


@pytest.mark.parametrize("command", ["up", "preview"])
def test_an_identity_of_another_namespace_is_told_that_it_has_no_rights_here(bench, command):
    config = bench.identity(*rights.deploy(bench.namespace))
    bench.configure(namespace="not-there")
    line = bench.refusal(getattr(bench.project, command), KUBECONFIG=config)
    assert line.startswith("namespace not-there: it does not exist, or this identity has no rights in it: check ")


def test_a_namespace_on_its_way_out_is_not_deployed_to(bench, admin):
    name = f"t-{secrets.token_hex(4)}"
    admin.create(Namespace(metadata=ObjectMeta(name=name, finalizers=["slipway.dev/held-by-a-test"])))
    try:
        admin.delete(Namespace, name)
        bench.configure(namespace=name)
        assert bench.refusal().startswith(f"namespace {name} is being deleted: wait until it is gone")
    finally:
        admin.patch(Namespace, name, {"metadata": {"finalizers": None}})


def narrowed(namespace: str, lost: Mapping[str, tuple[str, ...]]) -> list[Rule]:
    """The deploy account's rules, but for these verbs on these resources."""
    return [
        Rule((group,), (resource,), verbs, rule.names)
        for rule in rights.deploy(namespace)
        for group in rule.groups
        for resource in rule.resources
        if (verbs := tuple(verb for verb in rule.verbs if verb not in lost.get(resource, ())))
    ]


LOST = {
    "patch deployments": ({"deployments": ("patch",)}, {}, "patch deployments.apps"),
    "write the ledger": ({"configmaps": ("create", "patch")}, {}, "create, patch configmaps"),
    "secrets": (
        {"secrets": rights.ALL},
        {"secretEnv": {"KEY": {"fromEnv": "KEY"}}},
        f"{', '.join(rights.ALL)} secrets",
    ),
    "two kinds": (
        {"services": ("delete",), "networkpolicies": ("create",)},
        {"networkPolicy": {"allowFrom": ["ingress"]}},
        "delete services; create networkpolicies.networking.k8s.io",
    ),
    "a look at what could stand in the way": ({"ingresses": ("list",)}, {}, "list ingresses.networking.k8s.io"),
    "checks": (
        {"pods/proxy": ("get",), "jobs": ("create", "delete")},
        {"checks": {"answers": {"http": {"path": "/"}}, "inside": {"job": {"command": ["/app"]}}}},
        "create, delete jobs.batch; get pods/proxy",
    ),
}


@pytest.mark.parametrize("case", LOST)
def test_each_missing_right_is_named(bench, case):
    lost, settings, named = LOST[case]
    bench.configure(**settings)
    line = bench.refusal(KUBECONFIG=bench.identity(*narrowed(bench.namespace, lost)), KEY="x")
    assert line == (
        f"namespace {bench.namespace}: this identity may not {named}: its role is too narrow: run `pulumi up` on the "
        "access stack as an administrator (kinds that only a source has: name them in `kinds` there first)"
    )


def test_no_right_is_asked_for_that_no_workload_needs(bench, registry):
    optional = ("poddisruptionbudgets", "horizontalpodautoscalers", "ingresses", "networkpolicies")
    checks = ("services/proxy", "pods/proxy", "jobs")
    lost = {
        **dict.fromkeys(optional, tuple(set(rights.ALL) - {"list"})),
        **dict.fromkeys((*checks, "secrets"), rights.ALL),
    }
    bench.configure(replicas=1)
    config = bench.identity(*narrowed(bench.namespace, lost))
    assert "not in the registry" in bench.refusal(KUBECONFIG=config, SLIPWAY_IMAGE=f"{registry}/engine/not-there:v1")


# Image and values


DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize("image", ["engine/not-there:v1", "engine/app:not-there", f"engine/app@{DIGEST}"])
def test_an_image_that_is_not_in_the_registry_is_told(bench, images, registry, image):
    line = bench.refusal(SLIPWAY_IMAGE=f"{registry}/{image}")
    assert line == f"image {registry}/{image}: not in the registry: push it first, or check repository and tag"


def test_a_registry_that_does_not_answer_is_told(bench):
    with closed() as address:
        line = bench.refusal(SLIPWAY_IMAGE=f"{address}/app:v1")
    assert line.startswith(f"image {address}/app:v1: registry {address} does not answer (")


def test_a_login_that_the_registry_refuses_is_told_without_its_password(bench, images, registry):
    line = bench.refusal(
        SLIPWAY_IMAGE=images.v1, CI_REGISTRY=registry, CI_REGISTRY_USER="ada", CI_REGISTRY_PASSWORD="planted-password"
    )
    assert line.startswith(f"image {images.v1}: registry {registry} refuses to show it as ada (401): log in")
    assert "planted-password" not in line


def test_no_login_at_all_is_told(bench, images, registry, tmp_path):
    line = bench.refusal(SLIPWAY_IMAGE=images.v1, DOCKER_CONFIG=str(tmp_path))
    assert line.startswith(f"image {images.v1}: registry {registry} refuses to show it without a login (401): log in")


def test_no_image_at_all_is_told(bench):
    line = bench.refusal()
    assert line.startswith("slipway:workloads.myapp.image: nothing to deploy: no image is given and none is live: set ")


def test_variables_that_the_job_does_not_have_are_named_all_at_once(bench, images):
    bench.configure(secretEnv={"A": {"fromEnv": "NOT_THERE"}, "B": {"fromEnv": "NOT_HERE"}, "C": {"fromEnv": "HERE"}})
    line = bench.refusal(SLIPWAY_IMAGE=images.v1, HERE="x")
    assert line.startswith("slipway:workloads.myapp.secretEnv: NOT_THERE, NOT_HERE not in the job's environment: add ")


# Previews


def test_a_preview_of_a_stack_whose_namespace_is_not_there_yet_shows_everything_as_new(bench, images):
    bench.configure(namespace="not-there", ingress={"host": "a.example.com"}, networkPolicy={"allowFrom": ["b"]})
    shown = bench.project.preview(SLIPWAY_IMAGE=images.v1).expect()
    assert "namespace not-there does not exist yet: this preview shows everything as new" in shown.messages
    kinds = ("stable", "ledger", "service", "budget", "ingress", "policy")
    assert planned(shown) == {f"myapp-{kind}": "create" for kind in kinds}


def test_the_read_only_identity_previews_a_workload_with_secrets_that_it_may_not_read(bench, admin, images, tmp_path):
    """Last of all: it needs something live."""
    project = Project(tmp_path)
    secret = {"secretEnv": {"KEY": {"fromEnv": "KEY"}}}
    project.configure(stack(bench.namespace, myapp=app(replicas=1, **secret)))
    pull = (Path(os.environ["DOCKER_CONFIG"]) / "config.json").read_text()
    name = ObjectMeta(name="gitlab-registry", namespace=bench.namespace)
    admin.create(Secret(metadata=name, type="kubernetes.io/dockerconfigjson", stringData={".dockerconfigjson": pull}))
    project.up(SLIPWAY_IMAGE=images.v1, KEY="one").expect()
    before, config = bench.objects(), bench.identity(*rights.preview(bench.namespace))
    changed = project.preview(SLIPWAY_IMAGE=images.v2, KUBECONFIG=config, KEY="one").expect()
    assert planned(changed) == {"myapp-stable": "update", "myapp-ledger": "update"}, changed.output
    unknown = project.preview(SLIPWAY_IMAGE=images.v2, KUBECONFIG=config).expect()
    assert planned(unknown) == {"myapp-stable": "update", "myapp-ledger": "update"}, unknown.output
    assert any("this preview takes the values to be unchanged" in message for message in unknown.messages)
    assert bench.objects() == before
