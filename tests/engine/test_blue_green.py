"""What only blue-green has, on the real engine and cluster."""

import time

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler

from tests.engine.cluster_view import outcomes, pods, pool, sizes
from tests.engine.harness import app, stack
from tests.engine.strategies import CHECKS, soak, under


@pytest.fixture
def begin(project, namespace, images):
    """A project whose myapp runs v1 on blue, under these settings of the strategy."""

    def run(**settings):
        project.configure(stack(namespace, myapp=under("blueGreen", **settings)))
        project.up(SLIPWAY_IMAGE=images.v1).expect()
        return project

    return run


def test_a_rollback_in_the_window_is_a_switch_and_restarts_no_pod(begin, namespace, images, admin):
    live = begin()
    blue = pods(admin, namespace, track="blue")
    live.up(SLIPWAY_IMAGE=images.v2).expect()
    assert sizes(admin, namespace) == {"blue": 3, "green": 3}
    green = pods(admin, namespace, track="green")
    live.up(SLIPWAY_ACTION="rollback").expect()
    assert (pool(admin, namespace), pool(admin, namespace, "myapp-preview")) == ("blue", "blue")
    assert pods(admin, namespace) == blue | green


def test_past_the_window_the_old_track_is_retired_and_a_rollback_fills_it_again(begin, namespace, images, admin, load):
    live = begin(rollbackWindow="2s")
    live.up(SLIPWAY_IMAGE=images.v2).expect()
    time.sleep(2)
    with load("myapp") as run:
        live.up(SLIPWAY_ACTION="settle").expect()
        assert sizes(admin, namespace) == {"blue": 0, "green": 3}
        assert set(live.up().expect().changes) == {"same"}
        live.up(SLIPWAY_ACTION="rollback").expect()
    assert run.result.failed == 0, run.result.samples
    assert pool(admin, namespace) == "blue"
    assert sizes(admin, namespace)["blue"] == 3


@pytest.mark.parametrize(("keep", "left"), [("none", 0), pytest.param("forever", 3, marks=soak)])
def test_the_old_track_goes_at_once_or_stays(keep, left, begin, namespace, images, admin, load):
    live = begin(keep=keep, rollbackWindow="0s")
    with load("myapp") as run:
        live.up(SLIPWAY_IMAGE=images.v2).expect()
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert sizes(admin, namespace) == {"blue": left, "green": 3}
    live.up(SLIPWAY_ACTION="settle").expect()
    assert sizes(admin, namespace) == {"blue": left, "green": 3}


def test_without_auto_promote_a_run_ends_paused_and_another_process_promotes_or_aborts(
    begin, namespace, images, admin, load
):
    live = begin(autoPromote=False, previewReplicas=1)
    with load("myapp") as run:
        live.up(SLIPWAY_IMAGE=images.v2).expect()
        assert (pool(admin, namespace), pool(admin, namespace, "myapp-preview")) == ("blue", "green")
        assert sizes(admin, namespace) == {"blue": 3, "green": 1}
        assert outcomes(admin, namespace) == ["Healthy", "Paused"]
        assert set(live.up(SLIPWAY_IMAGE=images.v2).expect().changes) == {"same"}
        live.configure(stack(namespace, myapp=under("blueGreen", autoPromote=False, previewReplicas=1, replicas=2)))
        live.up().expect()  # scaling disturbs no pause
        assert sizes(admin, namespace) == {"blue": 2, "green": 1}
        assert outcomes(admin, namespace) == ["Healthy", "Paused"]
        live.up(SLIPWAY_ACTION="abort").expect()
        assert sizes(admin, namespace) == {"blue": 2, "green": 0}
        assert outcomes(admin, namespace) == ["Healthy", "Degraded"]
        live.up(SLIPWAY_IMAGE=images.v2).expect()
        live.up(SLIPWAY_ACTION="promote").expect()
    assert run.result.failed == 0, run.result.samples
    assert pool(admin, namespace) == "green"
    assert sizes(admin, namespace)["green"] == 2
    assert outcomes(admin, namespace) == ["Healthy", "Degraded", "Healthy"]
    assert set(live.up().expect().changes) == {"same"}


def test_a_check_that_fails_after_the_switch_switches_back(begin, namespace, images, admin, load):
    after = {"after": {"command": ["/bin/sh", "-c", "sleep 2; echo users complain; exit 1"]}}
    live = begin()
    blue = pods(admin, namespace, track="blue")
    live.configure(stack(namespace, myapp=under("blueGreen", checks={**CHECKS, **after}, postPromotion=["after"])))
    with load("myapp") as run:
        failed = live.up(SLIPWAY_IMAGE=images.v2).expect(1)
        time.sleep(4)
    assert "after Failed" in failed.output
    assert run.result.failed == 0, run.result.samples
    assert pool(admin, namespace) == "blue"
    assert pods(admin, namespace) == blue
    assert outcomes(admin, namespace) == ["Healthy", "Degraded"]
    assert run.result.versions["v1"].last > run.result.versions["v2"].last
    assert set(live.up(SLIPWAY_ACTION="settle").expect().changes) <= {"same", "update"}
    assert pool(admin, namespace) == "blue"


@soak
def test_an_autoscaler_follows_the_live_track_and_a_new_track_takes_its_number(begin, namespace, images, admin):
    live = begin()
    scaled = app(replicas=None, checks=CHECKS, strategy="blueGreen", autoscaler={"min": 2, "max": 5})
    live.configure(stack(namespace, myapp=scaled)).up().expect()
    admin.patch(Deployment.Scale, "myapp-blue", {"spec": {"replicas": 4}}, namespace=namespace)
    live.up(SLIPWAY_IMAGE=images.v2).expect()
    assert sizes(admin, namespace) == {"blue": 4, "green": 4}
    scaler = admin.get(HorizontalPodAutoscaler, "myapp", namespace=namespace)
    assert scaler.spec.scaleTargetRef.name == "myapp-green"
    assert set(live.up().expect().changes) == {"same"}
