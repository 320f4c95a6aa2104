"""The components in a program of another language: Pulumi's own language host for YAML, and Slipway as a plugin."""

import os

import pytest
from lightkube.resources.apps_v1 import Deployment

from demo.installed import PROGRAM_VENV
from demo.workspace import CHECKOUT
from sandbox import tools
from tests.engine.cluster_view import outcomes, pods
from tests.engine.harness import Project

EXAMPLE = CHECKOUT / "examples" / "yaml-canary"


@pytest.fixture
def program(sandbox, tmp_path, namespace, images):
    """The example, with a plugin that runs this checkout."""
    host = tools.locate(tests=True)["pulumi-language-yaml"].parent
    project = Project(tmp_path, program=EXAMPLE, environ={"PATH": f"{host}{os.pathsep}{os.environ['PATH']}"})
    plugin = project.directory / "plugin"
    plugin.mkdir()
    links = [*(EXAMPLE / "plugin").iterdir(), CHECKOUT / "pulumi_slipway"]
    for name, target in {**{it.name: it for it in links}, ".venv": PROGRAM_VENV}.items():
        (plugin / name).symlink_to(target)

    def configured(image):
        config = {"namespace": namespace, "image": image, "pullSecret": "gitlab-registry"}
        return project.configure({f"slipway-example-yaml-canary:{key}": value for key, value in config.items()})

    return configured


def test_a_yaml_program_releases_a_canary_whose_gates_refuse_a_bad_one(program, namespace, images, admin, load):
    project = program(images.v1)
    assert project.up().expect().changes == {"create": 9}
    first = project.outputs()
    assert first == {"url": f"http://web.{namespace}.svc:80", "release": first["release"], "phase": "Healthy"}
    with load("web") as run:
        released = project.up(SLIPWAY_IMAGE=images.v2).expect()
        assert [line for line in released.messages if "step 1/2, 25 %" in line], released.output
        assert [line for line in released.messages if "step 2/2, 50 %" in line], released.output
        second = project.outputs()["release"]
        assert second != first["release"]
        before = pods(admin, namespace, "web")
        refused = program(images.crash).up().expect(1)
        told = [
            line for line in refused.messages if line.startswith(f"web: users are on release {second} (4 of 4 pods)")
        ]
        assert len(told) == 1, refused.output
        assert "web-stable" not in [name for operation, name in refused.operations() if operation == "update"]
        assert "Traceback" not in refused.output
    assert run.result.failed == 0, run.result.samples
    assert pods(admin, namespace, "web") == before
    assert outcomes(admin, namespace, "web") == ["Healthy", "Healthy", "Degraded"]
    assert program(images.v2).up(SLIPWAY_ACTION="settle").expect().changes.keys() <= {"same", "update"}
    assert project.outputs() | {"url": ""} == {"url": "", "release": second, "phase": "Healthy"}
    project.destroy().expect()
    assert not [it for it in admin.list(Deployment, namespace=namespace) if not it.metadata.deletionTimestamp]


def test_a_mistake_in_a_yaml_program_is_one_line(program):
    wrong = program("Not An Image").preview().expect(1)
    told = [line for line in wrong.messages if "Not An Image" in line]
    assert len(told) == 1, wrong.output
    assert "has a problem: workload web: slipway:workloads.web.image: got " in told[0]
    assert "Traceback" not in wrong.output
