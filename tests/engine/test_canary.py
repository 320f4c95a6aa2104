"""What only a canary has, on the real engine and cluster."""

import os
import threading
import time

import pytest
from lightkube.resources.core_v1 import Pod

from tests.engine.cluster_view import image, outcomes, pods, records, sizes
from tests.engine.harness import Project, app, stack
from tests.engine.strategies import CHECKS, soak, under

PAUSES = [{"replicas": 1}, {"weight": 60}]


@pytest.fixture
def begin(project, namespace, images):
    """A project whose myapp runs v1, under these settings of the strategy."""

    def run(**settings):
        project.configure(stack(namespace, myapp=under("canary", **settings)))
        project.up(SLIPWAY_IMAGE=images.v1).expect()
        return project

    return run


def test_every_pause_waits_for_a_new_process_to_promote_and_stable_is_whole_until_the_last(
    begin, namespace, images, admin, load
):
    live = begin(steps=PAUSES)
    stable = pods(admin, namespace, track="stable")
    with load("myapp") as run:
        live.up(SLIPWAY_IMAGE=images.v2).expect()
        assert sizes(admin, namespace) == {"stable": 3, "canary": 1}
        assert set(live.up(SLIPWAY_IMAGE=images.v2).expect().changes) == {"same"}
        live.up(SLIPWAY_ACTION="promote").expect()
        assert sizes(admin, namespace) == {"stable": 3, "canary": 2}
        assert pods(admin, namespace, track="stable") == stable
        assert [(r.outcome, r.step) for r in records(admin, namespace)] == [("Healthy", 0), ("Paused", 2)]
        live.up(SLIPWAY_ACTION="promote").expect()
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert sizes(admin, namespace) == {"stable": 3, "canary": 0}
    assert image(admin, namespace) == images.digest("v2")
    assert set(live.up().expect().changes) == {"same"}


@soak
def test_an_abort_takes_the_canary_away_and_the_release_can_be_tried_again(begin, namespace, images, admin, load):
    live = begin(steps=PAUSES)
    stable = pods(admin, namespace, track="stable")
    with load("myapp") as run:
        live.up(SLIPWAY_IMAGE=images.v2).expect()
        live.up(SLIPWAY_ACTION="abort").expect()
        assert sizes(admin, namespace) == {"stable": 3, "canary": 0}
        live.up(SLIPWAY_IMAGE=images.v2).expect()
        assert sizes(admin, namespace) == {"stable": 3, "canary": 1}
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert pods(admin, namespace, track="stable") == stable
    assert outcomes(admin, namespace) == ["Healthy", "Degraded", "Paused"]


def test_a_newer_release_restarts_the_canary_from_its_first_step(begin, namespace, images, admin, load):
    live = begin(steps=PAUSES)
    stable = pods(admin, namespace, track="stable")
    with load("myapp") as run:
        live.up(SLIPWAY_IMAGE=images.v2).expect()
        live.up(SLIPWAY_ACTION="promote").expect()
        assert sizes(admin, namespace) == {"stable": 3, "canary": 2}
        live.up(SLIPWAY_IMAGE=images.v3).expect()
        time.sleep(4)
    assert run.result.failed == 0, run.result.samples
    assert sizes(admin, namespace) == {"stable": 3, "canary": 1}
    assert image(admin, namespace, "myapp-canary") == images.digest("v3")
    assert pods(admin, namespace, track="stable") == stable
    assert [(r.outcome, r.message.partition(":")[0]) for r in records(admin, namespace)][1:] == [
        ("Degraded", f"superseded by {records(admin, namespace)[2].release.id}"),
        ("Paused", "step 1 of 2"),
    ]


def test_a_check_that_fails_ends_the_pause_early(begin, namespace, images, admin):
    gone = {"gone": {"command": ["/bin/sh", "-c", "exit 1"], "initialDelay": "1s"}}
    live = begin()
    steps = [{"replicas": 1, "pause": "60s"}]
    live.configure(stack(namespace, myapp=under("canary", checks={**CHECKS, **gone}, steps=steps)))
    failed = live.up(SLIPWAY_IMAGE=images.v2).expect(1)
    assert failed.seconds < 45
    assert "gone Failed" in failed.output
    assert sizes(admin, namespace) == {"stable": 3, "canary": 0}


@soak
def test_max_surge_bounds_the_pods_of_the_whole_release(begin, namespace, images, admin):
    live = begin(steps=[{"weight": 100, "pause": "1s"}], maxSurge=2)
    most, done = [0], threading.Event()

    def count():
        while not done.wait(0.1):
            alive = [
                p
                for p in admin.list(Pod, namespace=namespace, labels={"app.kubernetes.io/instance": "myapp"})
                if not p.metadata.deletionTimestamp
            ]
            most[0] = max(most[0], len(alive))

    counting = threading.Thread(target=count)
    counting.start()
    try:
        live.up(SLIPWAY_IMAGE=images.v2).expect()
    finally:
        done.set()
        counting.join()
    assert most[0] == 3 + 2
    assert sizes(admin, namespace) == {"stable": 3, "canary": 0}


def test_an_error_rate_from_prometheus_decides(begin, project, namespace, images, admin, load):
    """The article's check: a canary that answers 500 is taken back by what Prometheus says of it."""
    scraped = {"podAnnotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "3000"}}
    checks = {
        "error-rate": {
            "prometheus": {"preset": "success-rate", "window": "10s"},
            "interval": "2s",
            "initialDelay": "10s",
        }
    }
    blocks = stack(
        namespace, myapp={**under("canary", checks=checks, steps=[{"replicas": 1, "pause": "30s"}]), **scraped}
    )
    blocks["slipway:environment"]["prometheus"] = os.environ["SLIPWAY_SANDBOX_PROMETHEUS"]
    first = stack(namespace, myapp={**under("canary", checks={}, **{"steps": PAUSES}), **scraped})
    first["slipway:workloads"]["myapp"]["strategy"]["canary"]["checks"] = []
    project.configure(first).up(SLIPWAY_IMAGE=images.v1).expect()
    project.configure(blocks)
    with load("myapp", rate=100):
        failed = project.up(SLIPWAY_IMAGE=images.bad).expect(1)
        passed = project.up(SLIPWAY_IMAGE=images.v2).expect()
    assert "error-rate Failed" in failed.output
    assert "error-rate Successful" in passed.output
    assert [str(r.outcome) for r in records(admin, namespace)] == ["Healthy", "Degraded", "Healthy"]
    good = records(admin, namespace)[2].checks[0]
    assert good.threshold == {"min": 0.99}
    assert all(value == 1.0 for _, value, _ in good.values)


def test_one_that_is_given_up_stays_away_where_an_autoscaler_comes_in_the_same_run(
    begin, namespace, images, admin, tmp_path
):
    begin(steps=PAUSES).up(SLIPWAY_IMAGE=images.v2).expect()
    assert sizes(admin, namespace) == {"stable": 3, "canary": 1}
    canary = {"canary": {"steps": PAUSES}}
    scaled = app(replicas=None, checks=CHECKS, strategy=canary, autoscaler={"min": 2, "max": 5})
    anew = Project(tmp_path / "anew").configure(stack(namespace, myapp=scaled))  # its state is lost: all is written
    anew.up(SLIPWAY_IMAGE=images.v1).expect()
    assert sizes(admin, namespace) == {"stable": 3, "canary": 0}
    assert set(anew.up().expect().changes) == {"same"}
