"""The programs in examples/ and in the docstrings of the public components, on the real engine and cluster."""

import base64
import doctest
import secrets
import textwrap

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Namespace, Secret

import pulumi_slipway
from demo.workspace import CHECKOUT
from tests.engine.cluster_view import outcomes, pods, sizes
from tests.engine.harness import Project

EXAMPLES = CHECKOUT / "examples"


@pytest.fixture
def example(sandbox, tmp_path):
    """`example(name, **config)` is a stack of that program with this config."""

    def of(name, **config):
        project = Project(tmp_path, program=EXAMPLES / name)
        return project.configure({f"slipway-example-{name}:{key}": value for key, value in config.items()})

    return of


@pytest.fixture
def other(admin, pull):
    """A second namespace."""
    name = f"t-{secrets.token_hex(4)}"
    admin.create(Namespace(metadata=ObjectMeta(name=name)))
    pull(name)
    yield name
    admin.delete(Namespace, name)


def test_a_canary_in_an_own_program_releases_rolls_back_and_goes(example, namespace, images, admin, load):
    project = example("canary", namespace=namespace, image=images.v1, pullSecret="gitlab-registry")
    project.up().expect()
    assert project.outputs()["url"] == f"http://web.{namespace}.svc:80"
    first = project.outputs()["release"]
    with load("web") as run:
        released = project.up(SLIPWAY_IMAGE=images.v2).expect()
        assert any("step 2/2" in line for line in released.messages), released.output
        assert project.outputs()["release"] != first
        project.up(SLIPWAY_ACTION="rollback").expect()
    assert run.result.failed == 0, run.result.samples
    assert project.outputs() | {"url": ""} == {"phase": "Healthy", "release": first, "url": ""}
    assert outcomes(admin, namespace, "web") == ["Healthy"] * 3
    assert set(project.up(SLIPWAY_ACTION="settle").expect().changes) == {"same"}
    project.destroy().expect()
    assert not [it for it in admin.list(Deployment, namespace=namespace) if not it.metadata.deletionTimestamp]


def test_two_environments_are_in_one_program(example, namespace, other, images, admin):
    project = example(
        "two-environments", staging=namespace, production=other, image=images.v1, pullSecret="gitlab-registry"
    )
    project.preview().expect()
    project.up().expect()
    assert sizes(admin, namespace, "web") == {"stable": 1}
    assert sizes(admin, other, "web") == {"blue": 2}
    project.configure(
        {
            f"slipway-example-two-environments:{key}": value
            for key, value in {
                "staging": namespace, "production": other, "image": images.v2, "pullSecret": "gitlab-registry",
            }.items()
        }
    )  # fmt: skip
    project.up().expect()
    assert outcomes(admin, namespace, "web") == outcomes(admin, other, "web") == ["Healthy", "Healthy"]
    summary = project.outputs()
    assert summary["staging"]["web"]["image"] == summary["production"]["web"]["image"] == images.digest("v2")
    before = pods(admin, other, "web")
    rolled = project.up(SLIPWAY_ACTION="rollback").expect()
    assert rolled.status == 0
    assert pods(admin, other, "web") == before, "a rollback in the window is a switch"
    assert project.destroy().status != 0, "production is kept"
    project.pulumi("state", "unprotect", "--all", "--yes", "--stack", "staging").expect()
    project.destroy().expect()


def test_a_password_of_another_resource_reaches_the_pods_and_nobody_else(example, namespace, images, admin):
    project = example("database-secret", namespace=namespace, image=images.v1, pullSecret="gitlab-registry")
    project.secret("slipway-example-database-secret:password", "planted-password")
    project.preview().expect()
    project.up().expect()
    (deployment,) = admin.list(Deployment, namespace=namespace)
    (container,) = deployment.spec.template.spec.containers
    assert {it.name: it.value for it in container.env or []}["DATABASE_HOST"].endswith(f".{namespace}.svc")
    held = [it for it in admin.list(Secret, namespace=namespace) if "DATABASE_PASSWORD" in (it.data or {})]
    assert [base64.b64decode(it.data["DATABASE_PASSWORD"]).decode() for it in held] == ["planted-password"]
    assert set(project.up().expect().changes) == {"same"}
    for path, content in project.written():
        assert b"planted-password" not in content, path
        assert base64.b64encode(b"planted-password") not in content, path
    project.destroy().expect()


COMPUTED = """
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider
from pulumi_slipway import Environment, EnvironmentArgs, Rolling, RollingArgs

class Made(ResourceProvider):
    def create(self, props):
        return CreateResult("made-later", {})

class Later(Resource):
    pass

namespace, image = NAMESPACE, IMAGE
made = Later(Made(), "made", {})
args = RollingArgs(
    environment=Environment("shop", EnvironmentArgs(namespace=namespace, image_pull_secret="gitlab-registry")),
    image=image, probe={"path": "/healthz"}, env={"MADE": made.id},
)
pulumi.export("phase", Rolling("web", args).phase)
"""


def program_of(source, directory):
    """A folder with a program of its own."""
    directory.mkdir()
    directory.joinpath("__main__.py").write_text(source)
    directory.joinpath("Pulumi.yaml").write_text((EXAMPLES / "canary" / "Pulumi.yaml").read_text())
    return directory


def test_a_value_that_no_preview_knows_is_a_new_release_there_and_is_waited_for_in_up(
    sandbox, tmp_path, namespace, images, admin
):
    source = COMPUTED.replace("NAMESPACE", repr(namespace)).replace("IMAGE", repr(images.v1))
    project = Project(tmp_path / "run", program=program_of(source, tmp_path / "program"))
    told = "workload web: env.MADE is known only after `pulumi up`: this preview takes it to change"
    assert told in project.preview().expect().messages
    project.up().expect()
    (deployment,) = admin.list(Deployment, namespace=namespace)
    (container,) = deployment.spec.template.spec.containers
    assert [it.value for it in container.env if it.name == "MADE"] == ["made-later"]
    again = project.preview().expect()
    assert told not in again.messages
    assert set(again.changes) == {"same"}


def documented():
    """The public components, each with the example of its docstring."""
    for name in pulumi_slipway.__all__:
        found = doctest.DocTestParser().get_examples(getattr(pulumi_slipway, name).__doc__ or "")
        if found:
            yield pytest.param("".join(it.source for it in found), id=name)


@pytest.mark.parametrize("source", list(documented()))
def test_the_example_of_a_docstring_is_a_program(source, tmp_path, sandbox, namespace, images):
    for tag in ("web:1.4.2", "api:2.0.0"):
        source = source.replace(f"registry.example.com/{tag}", images.v1)
    source = source.replace("EnvironmentArgs(", f"EnvironmentArgs(namespace={namespace!r}, ")
    names = ", ".join(pulumi_slipway.__all__)
    whole = f"import pulumi\nfrom pulumi_slipway import {names}\n\n{textwrap.dedent(source)}"
    program = program_of(whole, tmp_path / "program")
    Project(tmp_path / "run", program=program).preview().expect()


def test_each_public_component_has_an_example():
    components = {it for it in pulumi_slipway.__all__ if not it.endswith("Args")} - {"run", "serve"}
    assert {it.id for it in documented()} >= components
