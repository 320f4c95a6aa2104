"""A component in somebody's own program: what Pulumi's options do with it."""

import pytest

from tests.engine.cluster_view import deployment, pods
from tests.engine.harness import Project
from tests.engine.test_examples import program_of

PROGRAM = """
import pulumi, pulumi_kubernetes
from pulumi_slipway import Environment, EnvironmentArgs, Rolling, RollingArgs

config = pulumi.Config()
namespace = config.require("namespace")
shop = Environment("shop", EnvironmentArgs(namespace=namespace, image_pull_secret="gitlab-registry"))
before = pulumi_kubernetes.core.v1.ConfigMap("before", metadata={"namespace": namespace})
args = RollingArgs(environment=shop, name="web", image=config.require("image"), replicas=1, probe={"path": "/healthz"})
OPTIONS = {
    "first": lambda: {"depends_on": [before]},
    "renamed": lambda: {"depends_on": [before], "aliases": [pulumi.Alias(name="web")]},
    "protected": lambda: {"depends_on": [before], "aliases": [pulumi.Alias(name="web")], "protect": True},
}
shape = config.require("shape")
web = Rolling("web" if shape == "first" else "front", args, pulumi.ResourceOptions(**OPTIONS[shape]()))
last = pulumi.ResourceOptions(depends_on=[web])
pulumi_kubernetes.core.v1.ConfigMap("after", metadata={"namespace": namespace}, opts=last)
for output in ("phase", "release", "image", "live_track", "step", "weight", "url", "preview_service", "ledger"):
    pulumi.export(output, getattr(web, output))
"""


@pytest.fixture
def own(sandbox, tmp_path, namespace, images):
    """`own(shape)` is the stack of the program in that shape."""
    project = Project(tmp_path / "run", program=program_of(PROGRAM, tmp_path / "program"))

    def of(shape, image=images.v1):
        config = {"namespace": namespace, "image": image, "shape": shape}
        return project.configure({f"slipway-example-canary:{key}": value for key, value in config.items()})

    return of


def test_it_is_ordered_renamed_protected_and_refused_as_any_component(own, namespace, images, admin):
    done = [name for _, name in own("first").up().expect().operations()]
    assert done.index("before") < done.index("web-stable") < done.index("web-ledger") < done.index("after")
    outputs = own("first").outputs()
    assert outputs == {
        "phase": "Healthy", "release": outputs["release"], "image": images.digest("v1"), "live_track": "stable",
        "step": 0, "weight": 0, "url": f"http://web.{namespace}.svc:80", "ledger": "web-releases",
    }  # fmt: skip
    before = pods(admin, namespace, "web")
    renamed = own("renamed").up().expect()
    assert set(renamed.changes) == {"same"}, renamed.output
    assert own("protected").up().expect().status == 0
    refused = own("protected").destroy()
    assert refused.status != 0
    assert "protected" in refused.output
    assert pods(admin, namespace, "web") == before
    wrong = own("protected", image="Not An Image").up().expect(1)
    told = [line for line in wrong.messages if "Not An Image" in line]
    assert len(told) == 1
    assert told[0].startswith('workload front: slipway:workloads.web.image: got "Not An Image"; must be ')
    assert "Traceback" not in wrong.output


TRANSFORMED = """
import pulumi
from pulumi_slipway import Environment, EnvironmentArgs, Rolling, RollingArgs


def marked(args):
    if args.type_ == "kubernetes:apps/v1:Deployment":
        args.props["spec"]["template"]["metadata"]["annotations"] = {"example.com/team": "shop"}
    return pulumi.ResourceTransformResult(args.props, args.opts)


config = pulumi.Config()
args = EnvironmentArgs(namespace=config.require("namespace"), image_pull_secret="gitlab-registry")
shop = Environment("shop", args)
web = {"image": config.require("image"), "replicas": 2, "progress_deadline": "20s", "probe": {"path": "/healthz"}}
Rolling("web", RollingArgs(environment=shop, **web), pulumi.ResourceOptions(transforms=[marked]))
"""


def test_pods_that_a_transform_has_changed_stay_where_a_release_is_taken_back(
    sandbox, tmp_path, namespace, images, admin
):
    project = Project(tmp_path / "run", program=program_of(TRANSFORMED, tmp_path / "program"))

    def up(image):
        config = {"namespace": namespace, "image": image}
        return project.configure({f"slipway-example-canary:{key}": value for key, value in config.items()}).up()

    up(images.v1).expect()
    before = pods(admin, namespace, "web")
    up(images.crash).expect(1)
    up(images.v1).expect()
    assert pods(admin, namespace, "web") == before
    template = deployment(admin, namespace, "web")["spec"]["template"]
    assert template["metadata"]["annotations"]["example.com/team"] == "shop"
