"""The outputs of a workload say where users are, also where a run ended before it was through; and whose it is."""

import time

import pytest
from lightkube.resources.core_v1 import Service

from tests.engine.cluster_view import outcomes, sizes
from tests.engine.harness import Project, app, stack
from tests.engine.test_examples import program_of

PROGRAM = """
import pulumi
from pulumi_slipway import *
shop = Environment("shop", EnvironmentArgs(namespace="NAMESPACE", image_pull_secret="gitlab-registry"))
web = WORKLOAD
for name in ("phase", "release", "image", "live_track", "weight", "step"):
    pulumi.export(name, getattr(web, name))
"""
BLUE_GREEN = """BlueGreen("web", BlueGreenArgs(
    environment=shop, image="IMAGE", probe={"path": "/healthz"}, replicas=1,
    checks={"long": {"command": ["sleep", "4"]}}, pre_promotion=[], post_promotion=["long"]))"""
CANARY = """Canary("web", CanaryArgs(
    environment=shop, image="IMAGE", probe={"path": "/healthz"}, replicas=4, step_checks=[],
    steps=[{"weight": 50}, {"weight": 75}]))"""


@pytest.fixture
def own(sandbox, tmp_path, namespace, images):
    """`own(workload)` is a program of somebody's own with it."""

    def of(workload):
        text = PROGRAM.replace("WORKLOAD", workload).replace("NAMESPACE", namespace).replace("IMAGE", images.v1)
        return Project(tmp_path / "run", program=program_of(text, tmp_path / "program"))

    return of


def test_a_run_that_fails_behind_the_switch_tells_the_release_that_users_are_on(
    own, namespace, images, admin, admission
):
    project = own(BLUE_GREEN)
    project.up().expect()
    before = project.outputs()
    running = project.up_async(SLIPWAY_IMAGE=images.v2)

    def serving():
        return admin.get(Service, "web", namespace=namespace).spec.selector["slipway.dev/pool"]

    first = serving()
    while serving() == first:
        assert not running.ended, running.outcome().output
        time.sleep(0.1)
    admission.refuse("the ledger", reason="Forbidden")
    running.wait(90).expect(1)
    reached = project.outputs()
    assert serving() == reached["live_track"] != before["live_track"]
    assert reached["image"] == images.digest("v2")
    assert reached["release"] != before["release"]
    assert reached["phase"] == outcomes(admin, namespace, "web")[-1] == "Progressing"
    admission.allow()
    project.up(SLIPWAY_IMAGE=images.v2).expect()
    assert project.outputs() == {**reached, "phase": "Healthy"}


def test_a_canary_that_waits_is_not_what_users_are_on_and_its_weight_is_counted(own, namespace, images, admin):
    project = own(CANARY)
    project.up().expect()
    live = project.outputs()
    for step, pods in ((1, 2), (2, 3)):
        project.up(**({"SLIPWAY_IMAGE": images.v2} if step == 1 else {"SLIPWAY_ACTION": "promote"})).expect()
        assert sizes(admin, namespace, "web") == {"stable": 4, "canary": pods}
        share = round(100 * pods / (4 + pods))
        assert project.outputs() == {**live, "phase": "Paused", "step": step, "weight": share}
    project.up(SLIPWAY_ACTION="promote").expect()
    assert project.outputs() == {**live, "image": images.digest("v2"), "release": project.outputs()["release"]}


def test_another_stack_is_refused_where_the_first_release_failed_too(sandbox, tmp_path, namespace, images, admin):
    config = stack(namespace, myapp=app(progressDeadline="6s"))
    first = Project(tmp_path / "first", stack="staging").configure(config)
    first.up(SLIPWAY_IMAGE=images.never).expect(1)
    other = Project(tmp_path / "other", stack="other").configure(config)
    refused = other.up(SLIPWAY_IMAGE=images.v1).expect(1)
    assert "workload myapp in " in refused.output
    assert "belongs to stack slipway/staging" in refused.output
    first.up(SLIPWAY_IMAGE=images.v1).expect()
    taken = other.up(SLIPWAY_TAKE_OVER="slipway/staging").expect()
    assert "belongs to" not in taken.output


@pytest.mark.parametrize(
    "workloads",
    [
        'Environment("a", EnvironmentArgs(WHERE, workloads={"web": ARGS}))\n'
        'Environment("b", EnvironmentArgs(WHERE, workloads={"web": ARGS}))',
        'Rolling("a", RollingArgs(environment=Environment("x", EnvironmentArgs(WHERE)), name="web", IMAGE))\n'
        'Rolling("b", RollingArgs(environment=Environment("y", EnvironmentArgs(WHERE)), name="web", IMAGE))',
        'e = Environment("x", EnvironmentArgs(WHERE))\n'
        'Rolling("a", RollingArgs(environment=e, name="web", IMAGE))\n'
        'Rolling("b", RollingArgs(environment=e, name="web", IMAGE))',
    ],
    ids=["in two environments", "alone in two environments", "twice in one"],
)
def test_one_deployment_has_one_workload_in_a_program(sandbox, tmp_path, namespace, images, workloads):
    where = f'namespace="{namespace}", image_pull_secret="gitlab-registry"'
    text = workloads.replace("ARGS", "RollingArgs(IMAGE)").replace("WHERE", where)
    text = text.replace("IMAGE", f'image="{images.v1}", probe={{"path": "/healthz"}}, replicas=1')
    project = Project(tmp_path / "run", program=program_of(f"from pulumi_slipway import *\n{text}\n", tmp_path / "p"))
    for run in (project.preview, project.up):
        refused = run().expect(1)
        assert f"of this program has one of this name in namespace {namespace}" in refused.output
