"""What holds for a release under every strategy, on the real engine and cluster."""

import time

import pytest
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service

from pulumi_slipway.core.keys import TRACK_LABEL
from tests.engine.cluster_view import outcomes, pods, records, sizes
from tests.engine.harness import RATE, Project, stack
from tests.engine.strategies import NAMES, deployment_name, served, serving, some, under

DRAINED = 6.0  # the old pods' preStop is 5 s


@pytest.fixture(params=NAMES)
def strategy(request):
    return request.param


@pytest.fixture
def live(strategy, project, namespace, images):
    """A project whose myapp runs v1."""
    project.configure(stack(namespace, myapp=under(strategy)))
    project.up(SLIPWAY_IMAGE=images.v1).expect()
    return project


@pytest.mark.parametrize("strategy", some("canary"), indirect=True)
def test_good_releases_and_a_rollback_lose_no_request_and_are_recorded(live, namespace, images, admin, load):
    with load("myapp") as run:
        live.up(SLIPWAY_IMAGE=images.v2, CI_COMMIT_SHA="c0ffee", GITLAB_USER_LOGIN="ada").expect()
        assert served(admin, namespace)[0] == images.digest("v2")
        live.up(SLIPWAY_ACTION="rollback").expect()
        assert served(admin, namespace)[0] == images.digest("v1")
        time.sleep(DRAINED)
    assert run.result.failed == 0, run.result.samples
    assert set(run.result.versions) == {"v1", "v2"}
    assert run.result.sent_rate >= RATE * 0.9
    assert outcomes(admin, namespace) == ["Healthy"] * 3
    second = records(admin, namespace)[1]
    assert second.provenance == {"commit": "c0ffee", "actor": "ada"}
    assert {check.name: check.status for check in second.checks} == {"answers": "Successful"}
    assert set(live.up().expect().changes) == {"same"}


@pytest.mark.parametrize("strategy", some("blueGreen"), indirect=True)
def test_a_bad_release_is_taken_back_a_second_one_too_and_a_good_one_goes_through(
    live, strategy, namespace, images, admin, load
):
    before = served(admin, namespace)
    with load("myapp") as run:
        for _ in range(2):
            failed = live.up(SLIPWAY_IMAGE=images.bad).expect(1)
            assert "answers 500" in failed.output
            assert "Traceback" not in failed.output
            image, now = served(admin, namespace)
            assert image == before[0]
            assert now == before[1] or strategy == "rolling"  # there the pods are the old release's, made anew
        time.sleep(DRAINED)
        switched = time.time()
        live.up(SLIPWAY_IMAGE=images.v2).expect()
    failed = {name: counts.failed for name, counts in run.result.versions.items() if counts.failed}
    assert set(failed) <= {"bad"}, run.result.failures
    assert set(run.result.failures) <= {"status"}, run.result.failures
    if strategy == "blueGreen":
        assert "bad" not in run.result.versions
    elif "bad" in run.result.versions:  # a check may be quicker than the first user
        assert run.result.versions["bad"].last < switched
    assert outcomes(admin, namespace) == ["Healthy", "Degraded", "Degraded", "Healthy"]
    assert "500" in records(admin, namespace)[1].message
    assert served(admin, namespace)[0] == images.digest("v2")
    assert {t: n for t, n in sizes(admin, namespace).items() if n} in (
        {"stable": 3},
        {"blue": 3, "green": 3},
    )


@pytest.mark.parametrize("strategy", some("blueGreen"), indirect=True)
def test_a_release_whose_pods_never_come_up_ends_at_the_deadline_and_the_live_track_is_untouched(
    live, strategy, namespace, images, admin, load
):
    before = served(admin, namespace)
    live.configure(stack(namespace, myapp=under(strategy, progressDeadline="12s")))
    with load("myapp") as run:
        failed = live.up(SLIPWAY_IMAGE=images.crash).expect(1)
    assert "did not come up within 12 s" in failed.output
    assert "exits with" in failed.output
    assert run.result.failed == 0, run.result.samples
    assert set(run.result.versions) == {"v1"}
    assert served(admin, namespace) == before
    assert outcomes(admin, namespace) == ["Healthy", "Degraded"]
    refused = live.up(SLIPWAY_ACTION="promote").expect(1)
    assert "nothing is Paused" in refused.output
    live.up(SLIPWAY_ACTION="rollback").expect()  # as the pipeline's on_failure job does: v1 is live already
    assert served(admin, namespace) == before


@pytest.mark.parametrize("strategy", some("canary"), indirect=True)
def test_scaling_and_labels_restart_no_pod_and_are_no_release(live, strategy, namespace, images, admin):
    before = served(admin, namespace)
    scaled = {**under(strategy, replicas=4), "labels": {"team": "blue"}}
    live.configure(stack(namespace, myapp=scaled)).up().expect()
    image, now = served(admin, namespace)
    assert image == before[0]
    assert before[1] < now
    assert len(now) == 4
    assert outcomes(admin, namespace) == ["Healthy"]
    assert set(live.up().expect().changes) == {"same"}


@pytest.mark.parametrize("strategy", some("canary"), indirect=True)
def test_what_somebody_changed_by_hand_in_mid_release_and_after_it_is_mended(live, strategy, namespace, images, admin):
    started = live.up_async(SLIPWAY_IMAGE=images.slow)
    time.sleep(1)
    _until(lambda: _tracks_of(admin, namespace, images.digest("slow")), 20)
    track = serving(admin, namespace)
    victims = [*admin.list(Pod, namespace=namespace, labels={TRACK_LABEL: track})]
    admin.delete(Pod, victims[0].metadata.name, namespace=namespace)
    admin.patch(Deployment, deployment_name(track), {"spec": {"replicas": 2}}, namespace=namespace)
    started.wait().expect()
    live.up().expect()
    image, now = served(admin, namespace)
    assert image == images.digest("slow")
    assert len(now) == 3
    admin.patch(Service, "myapp", {"spec": {"selector": {"someone": "else"}}}, namespace=namespace)
    live.up().expect()
    assert served(admin, namespace) == (image, now)
    assert set(live.up().expect().changes) == {"same"}


def _tracks_of(admin, namespace, image):
    return [d for d in admin.list(Deployment, namespace=namespace) if d.spec.template.spec.containers[0].image == image]


def _until(true, seconds):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


@pytest.mark.parametrize("strategy", some("blueGreen"), indirect=True)
def test_a_lost_state_adopts_what_runs_without_restarting_a_pod(live, strategy, namespace, images, admin, tmp_path):
    live.up(SLIPWAY_IMAGE=images.v2).expect()
    before = pods(admin, namespace)
    anew = Project(tmp_path / "anew").configure(stack(namespace, myapp=under(strategy)))
    anew.up(SLIPWAY_IMAGE=images.v2).expect()
    assert pods(admin, namespace) == before
    assert outcomes(admin, namespace) == ["Healthy"] * 2
    assert set(anew.up().expect().changes) == {"same"}
    anew.up(SLIPWAY_IMAGE=images.v3).expect()
    assert served(admin, namespace)[0] == images.digest("v3")
