"""A change of strategy moves users without a gap; the old objects go last."""

import os
import time

import pytest
from lightkube.resources.core_v1 import Service

from tests.engine.cluster_view import outcomes, pool, sizes
from tests.engine.harness import stack
from tests.engine.strategies import NAMES, soak, under

POOLS = {"rolling": "main", "blueGreen": "blue", "canary": "main"}
SIZES = {"rolling": {"stable": 3}, "blueGreen": {"blue": 3}, "canary": {"stable": 3}}


EVERY = [(a, b) for a in NAMES for b in NAMES if a != b]
SOME = [("rolling", "blueGreen")]


@pytest.mark.parametrize(("old", "new"), EVERY if os.environ.get("SLIPWAY_SOAK") else SOME)
def test_each_way_with_a_new_release_and_a_rollback_after_it(old, new, project, namespace, images, admin, load):
    project.configure(stack(namespace, myapp=under(old))).up(SLIPWAY_IMAGE=images.v1).expect()
    project.configure(stack(namespace, myapp=under(new)))
    with load("myapp") as run:
        project.up(SLIPWAY_IMAGE=images.v2).expect()
        assert pool(admin, namespace) == POOLS[new]
        assert {track: size for track, size in sizes(admin, namespace).items() if size} == SIZES[new]
        project.up(SLIPWAY_ACTION="rollback").expect()
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert outcomes(admin, namespace) == ["Healthy"] * 3
    assert set(project.up().expect().changes) == {"same"}
    services = {s.metadata.name for s in admin.list(Service, namespace=namespace)}
    assert services == ({"myapp", "myapp-preview"} if new == "blueGreen" else {"myapp"})


@soak
def test_the_same_image_under_another_strategy_moves_without_a_gap(project, namespace, images, admin, load):
    project.configure(stack(namespace, myapp=under("rolling"))).up(SLIPWAY_IMAGE=images.v1).expect()
    with load("myapp") as run:
        project.configure(stack(namespace, myapp=under("blueGreen"))).up().expect()
        assert pool(admin, namespace) == "blue"
        project.configure(stack(namespace, myapp=under("canary"))).up().expect()
        assert pool(admin, namespace) == "main"
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert set(project.up().expect().changes) == {"same"}


def test_a_change_that_was_killed_leaves_its_track_to_users_where_the_next_release_fails(
    project, namespace, images, admin, load
):
    project.environ["PULUMI_SKIP_CHECKPOINTS"] = "true"  # so that no state tells of blue
    project.configure(stack(namespace, myapp=under("rolling"))).up(SLIPWAY_IMAGE=images.v1).expect()
    running = project.configure(stack(namespace, myapp=under("blueGreen"))).up_async(SLIPWAY_IMAGE=images.v2)
    while outcomes(admin, namespace) != ["Healthy", "Healthy"] and not running.ended:
        time.sleep(0.01)
    running.kill()
    project.cancel()
    project.configure(stack(namespace, myapp=under("rolling")))
    with load("myapp") as run:
        project.up("--continue-on-error", SLIPWAY_IMAGE=images.bad).expect(1)  # as the jobs run it
        time.sleep(4)
    assert pool(admin, namespace) == "blue"
    assert sizes(admin, namespace)["blue"] == 3
    assert run.result.failures.keys() <= {"status"}, run.result.samples  # the bad one's answers until it is taken back
