"""Waiting for a rollout: its end, its deadline, its reasons; with a cluster and a clock of the test's own."""

from types import SimpleNamespace

import httpx2
import pytest
from lightkube import ApiError
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Event, Pod

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.keys import RELEASE_LABEL
from pulumi_slipway.core.model import TrackName
from pulumi_slipway.release import rollout
from pulumi_slipway.release.rollout import HOPELESS_SECONDS, STALLED_SECONDS, ReleaseFailed

OURS = "ours"


def live(updated=0, available=3, replicas=3, *, wanted=3, release=OURS, seen=True, conditions=()):
    """A Deployment of three pods on its way to our release."""
    return {
        "metadata": {"generation": 2},
        "spec": {
            "replicas": wanted,
            "selector": {"matchLabels": {"app": "myapp"}},
            "template": {"metadata": {"labels": {RELEASE_LABEL: release}}},
        },
        "status": {
            "observedGeneration": 2 if seen else 1,
            "updatedReplicas": updated,
            "availableReplicas": available,
            "replicas": replicas,
            "conditions": list(conditions),
        },
    }


DONE = live(3, 3, 3)


def refused(code, text="no"):
    response = httpx2.Response(code, request=httpx2.Request("GET", "https://k"), json={"message": text, "code": code})
    return ApiError(request=response.request, response=response)


def container(**status):
    return {"name": "myapp", "image": "a", "imageID": "", "ready": False, "restartCount": 0, **status}


def pod(name="myapp-1", **status):
    """A pod of our release, as the cluster tells of it."""
    deleted = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if status.pop("deleted", False) else {}
    probe = {"httpGet": {"port": 3001, "path": "/healthz"}}
    spec = {"containers": [{"name": "myapp", "readinessProbe": probe}]}
    spec["readinessGates"] = [{"conditionType": "example.com/gate"}]
    return Pod.from_dict({"metadata": {"name": name, **deleted}, "spec": spec, "status": status})


class Scene:
    """The cluster moment by moment: what is seen at each second, an exception where it is away."""

    def __init__(self, moments, pods=(), log=(), track=TrackName.STABLE, events=()):
        self.moments, self.pods, self.lines, self.now, self.said = dict(moments), list(pods), log, 0.0, []
        self.track, self.events = track, events

    def get(self, kind, name, namespace):
        assert (kind, name, namespace) == (Deployment, "myapp" + self.track.suffix, "staging")
        moment = self.moments[max(at for at in self.moments if at <= self.now)]
        if isinstance(moment, Exception):
            raise moment
        return SimpleNamespace(to_dict=lambda: moment)

    def list(self, kind, namespace, labels=None, fields=None):
        if kind is Event:
            assert fields == {"involvedObject.name": "myapp-1"}
            return [Event.from_dict({"metadata": {}, "involvedObject": {}, **it}) for it in self.events]
        assert (kind, namespace, labels) == (Pod, "staging", {"app": "myapp", RELEASE_LABEL: OURS})
        if isinstance(self.pods, Exception):
            raise self.pods
        return list(self.pods)

    def log(self, name, namespace, tail_lines, container):
        if isinstance(self.lines, Exception):
            raise self.lines
        return iter(self.lines[-tail_lines:])

    def sleep(self, seconds):
        self.now += seconds

    def wait(self, deadline=60):
        rollout.wait(
            self, "myapp", "staging", track=self.track, release=OURS, deadline=deadline,
            tell=self.said.append, clock=lambda: self.now, sleep=self.sleep,
        )  # fmt: skip


def failure(scene, deadline=60):
    with pytest.raises(ReleaseFailed) as failed:
        scene.wait(deadline)
    return failed.value


# Its end


def test_it_ends_when_every_pod_is_ours_and_available_and_no_old_one_is_left():
    scene = Scene({0: live(1, 3, 4), 2: live(3, 2, 4), 4: live(3, 3, 4), 6: DONE})
    scene.wait()
    assert 6 <= scene.now < 6.5
    assert scene.said == [
        "stable: 1 of 3 updated, 3 available",
        "stable: 3 of 3 updated, 2 available",
        "stable: 3 of 3 updated, 3 available",
    ]


@pytest.mark.parametrize("track", TrackName)
def test_each_track_is_waited_for_by_its_own_deployment_and_told_by_its_name(track):
    scene = Scene({0: live(1, 3, 4), 6: DONE}, pods=[unschedulable()], track=track)
    scene.wait()
    assert scene.said == [f"{track}: 1 of 3 updated, 3 available", *scene.said[1:]]
    assert scene.said[1].startswith("pod myapp-1: unschedulable")


@pytest.mark.parametrize("unfinished", [live(3, 3, 3, seen=False), live(2, 3, 3), live(3, 2, 3), live(3, 3, 4)])
def test_nothing_less_is_an_end(unfinished):
    scene = Scene({0: unfinished, 3: DONE})
    scene.wait()
    assert scene.now >= 3


def test_no_pods_are_as_many_as_none_wanted():
    Scene({0: live(0, 0, 0, wanted=0)}).wait()


# Its deadline


def test_the_deadline_counts_anew_with_each_step_forward():
    steps = {0: live(0, 3), 8: live(1, 3, 4), 16: live(2, 3, 4), 24: live(3, 3, 4), 32: DONE}
    Scene(steps).wait(deadline=10)
    assert "did not come up within 7 s: 0 of 3 updated, 3 available" in str(failure(Scene(steps), deadline=7))


def test_a_step_back_and_forth_is_no_step_forward():
    flapping = {at: live(3, 2 + at % 2, 4) for at in range(40)}
    scene = Scene(flapping)
    failure(scene, deadline=10)
    assert 11 <= scene.now <= 12


def test_what_is_said_of_the_template_before_does_not_count_as_the_best_so_far():
    stale = live(3, 3, 3, seen=False)
    steps = {0: stale, 1: live(0, 3), 9: live(1, 3, 4), 17: live(2, 3, 4), 25: DONE}
    Scene(steps).wait(deadline=10)


def test_old_pods_that_go_are_a_step_forward():
    Scene({0: live(3, 3, 6), 8: live(3, 3, 5), 16: live(3, 3, 4), 24: DONE}).wait(deadline=10)


# The API server


def test_an_api_server_that_is_away_for_a_while_is_waited_for_and_that_is_said_once():
    away = httpx2.ConnectError("[Errno 111] Connection refused")
    scene = Scene({0: live(1, 3, 4), 2: away, 20: live(1, 3, 4), 21: DONE})
    scene.wait()
    assert scene.said[1:] == ["the API server does not answer: [Errno 111] Connection refused"]


def test_one_that_stays_away_is_told_at_the_deadline():
    away = httpx2.ConnectError("[Errno 111] Connection refused")
    assert "did not come up within 10 s: the API server does not answer" in str(failure(Scene({0: away}), 10))


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_answer_that_will_pass_is_waited_for(code):
    proxy = httpx2.Response(code, request=httpx2.Request("GET", "https://k"), text="<html>")
    for error in (refused(code), httpx2.HTTPStatusError("busy", request=proxy.request, response=proxy)):
        Scene({0: error, 8: DONE}).wait()


@pytest.mark.parametrize("code", [401, 403])
def test_a_refusal_is_given_a_moment_and_is_then_the_end_with_the_remedy(code):
    Scene({0: refused(code), 3: DONE}).wait()
    scene = Scene({0: live(1), 3: refused(code, "Unauthorized")})
    with pytest.raises(UserError, match=r"no longer shows .* \(Unauthorized\): .*`pulumi up` on the access") as told:
        scene.wait()
    assert scene.now < 6
    assert not isinstance(told.value, ReleaseFailed)


def test_a_deployment_that_is_deleted_meanwhile_ends_the_wait():
    scene = Scene({0: live(1), 2: refused(404)})
    assert "is gone: run again" in str(failure(scene))
    assert scene.now < 6


def test_another_run_that_takes_over_ends_the_wait_and_keeps_the_ledger():
    with pytest.raises(UserError, match="release ours was replaced by theirs") as told:
        Scene({0: live(1), 2: live(3, 3, 3, release="theirs")}).wait()
    assert not isinstance(told.value, ReleaseFailed)


# Its reasons


def unschedulable(_=None):
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    return pod(conditions=[condition])


REASONS = {
    "unschedulable": (unschedulable(), "unschedulable: 0/1 nodes are available"),
    "no image": (
        pod(containerStatuses=[container(state={"waiting": {"reason": "ErrImagePull", "message": "not found"}})]),
        "ErrImagePull: not found",
    ),
    "refused by the registry": (
        pod(containerStatuses=[container(state={"waiting": {"reason": "ErrImagePull", "message": "403 Forbidden"}})]),
        "ErrImagePull: 403 Forbidden (asked without a pull secret: is slipway:environment.imagePullSecret the "
        "registry's login?)",
    ),
    "no name of an image": (
        pod(containerStatuses=[container(state={"waiting": {"reason": "InvalidImageName", "message": "no name"}})]),
        "InvalidImageName: no name",
    ),
    "refused by the kubelet": (
        pod(
            containerStatuses=[
                container(state={"waiting": {"reason": "CreateContainerConfigError", "message": "runs as root"}})
            ]
        ),
        "CreateContainerConfigError: runs as root",
    ),
    "crash loop": (
        pod(
            containerStatuses=[
                container(
                    state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                    lastState={"terminated": {"exitCode": 3, "reason": "Error"}},
                )
            ]
        ),
        "exits with 3 (Error), last lines: one | two",
    ),
    "own last words": (
        pod(
            containerStatuses=[
                container(state={"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "too much"}})
            ]
        ),
        "exits with 137 (OOMKilled), too much",
    ),
    "init crash": (
        pod(
            initContainerStatuses=[container(name="migrate", state={"terminated": {"exitCode": 2, "reason": "Error"}})],
            containerStatuses=[container(state={"waiting": {"reason": "PodInitializing"}})],
        ),
        "init container migrate: exits with 2 (Error), last lines: one | two",
    ),
    "init at work": (
        pod(
            initContainerStatuses=[container(name="migrate", state={"running": {"startedAt": "2026-01-01T00:00:00Z"}})],
            containerStatuses=[container(state={"waiting": {"reason": "PodInitializing"}})],
        ),
        "init container migrate is still at work, the others wait for it, last lines: one | two",
    ),
    "sidecar crash": (
        pod(
            containerStatuses=[
                container(ready=True, state={"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
                container(
                    name="proxy",
                    state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                    lastState={"terminated": {"exitCode": 0, "reason": "Completed"}},
                ),
            ]
        ),
        "container proxy: exits with 0 (Completed), last lines: one | two",
    ),
    "readiness gate": (
        pod(
            conditions=[{"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": "False"}],
            containerStatuses=[container(ready=True, state={"running": {"startedAt": "2026-01-01T00:00:00Z"}})],
        ),
        "its containers are ready, its readiness gate is not: example.com/gate is not set; does what sets it run here?",
    ),
    "never ready": (
        pod(containerStatuses=[container(state={"running": {"startedAt": "2026-01-01T00:00:00Z"}})]),
        "runs, but its readiness probe fails (HTTP GET port 3001, path /healthz): "
        "see `port` and `probe` of the workload",
    ),
}


LASTING = ("refused by the registry", "refused by the kubelet", "no name of an image")


@pytest.mark.parametrize("case", REASONS)
def test_the_reason_is_told_once_while_it_stalls_and_with_the_failure(case):
    of, reason = REASONS[case]
    scene = Scene({0: live(1, 3, 4)}, pods=[of], log=["one\n", "\n", "two\n"])
    failed = failure(scene, deadline=60)
    assert scene.said == ["stable: 1 of 3 updated, 3 available", f"pod myapp-1: {reason}"]
    how = "cannot come up" if case in LASTING else "did not come up within 60 s"
    assert str(failed) == f"workload myapp: release ours: {how}: pod myapp-1: {reason}"


MOUNT = "MountVolume.SetUp failed for volume conf: configmap missing not found"
EVENTS = {
    "mount": (
        {"waiting": {"reason": "ContainerCreating"}},
        [{"reason": "FailedMount", "message": MOUNT}, {"reason": "Scheduled", "message": "x"}],
        MOUNT,
    ),
    "liveness": (
        {"terminated": {"exitCode": 137, "reason": "Error"}},
        [
            {"reason": "Killing", "message": "Container myapp failed liveness probe, will be restarted"},
            {"reason": "Unhealthy", "message": "Liveness probe failed: connection refused"},
        ],
        "Container myapp failed liveness probe, will be restarted: Liveness probe failed: connection refused; does it "
        "start slower than that? Give it a startupProbe",
    ),
}


@pytest.mark.parametrize("case", EVENTS)
def test_what_only_events_tell_is_told(case):
    state, events, reason = EVENTS[case]
    of = pod(containerStatuses=[container(state=state)])
    assert str(failure(Scene({0: live(1, 3, 4)}, pods=[of], events=events))).endswith(f"pod myapp-1: {reason}")


def test_a_reason_that_only_a_person_mends_ends_the_wait_early_but_not_at_once():
    refused_pull = pod(containerStatuses=[container(state={"waiting": {"reason": "ErrImagePull", "message": "401"}})])
    scene = Scene({0: live(1, 3, 4)}, pods=[refused_pull])
    failure(scene, deadline=300)
    assert STALLED_SECONDS + HOPELESS_SECONDS <= scene.now < 60
    Scene({0: live(1, 3, 4), 32: DONE}, pods=[refused_pull]).wait(deadline=300)


@pytest.mark.parametrize("mended_by_time", ["no image", "crash loop", "unschedulable"])
def test_what_may_mend_itself_has_the_whole_deadline(mended_by_time):
    scene = Scene({0: live(1, 3, 4)}, pods=[REASONS[mended_by_time][0]])
    failure(scene, deadline=120)
    assert scene.now > 120


def test_the_log_is_for_the_job_and_not_for_the_ledger():
    scene = Scene({0: live(1, 3, 4)}, pods=[REASONS["crash loop"][0]], log=["password=planted"])
    failed = failure(scene)
    assert "planted" in str(failed)
    assert "planted" not in failed.recorded
    assert failed.recorded.endswith("pod myapp-1: exits with 3 (Error)")


def test_a_long_log_is_cut():
    scene = Scene({0: live(1, 3, 4)}, pods=[REASONS["crash loop"][0]], log=["x" * 10**6 + "end"])
    assert len(str(failure(scene))) < 1000
    assert "xend" in scene.said[-1]


def test_refused_pods_are_a_reason_and_a_reason_that_changes_is_told_again():
    quota = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    scene = Scene({0: live(0, conditions=[quota]), 12: live(0)}, pods=[unschedulable()])
    failed = failure(scene, deadline=20)
    assert scene.said[1:] == ["pods are refused: exceeded quota", "pod myapp-1: unschedulable: 0/1 nodes are available"]
    assert "exceeded quota" not in str(failed)


@pytest.mark.parametrize(
    "fine",
    [
        pod(containerStatuses=[container(ready=True, state={"running": {"startedAt": "2026-01-01T00:00:00Z"}})]),
        pod(containerStatuses=[container(state={"waiting": {"reason": "ContainerCreating"}})]),
        pod(deleted=True, containerStatuses=[container(state={"running": {"startedAt": "2026-01-01T00:00:00Z"}})]),
    ],
)
def test_a_pod_that_is_fine_or_only_begins_or_goes_is_no_reason(fine):
    scene = Scene({0: live(1, 3, 4)}, pods=[fine])
    assert str(failure(scene)).endswith("within 60 s: 1 of 3 updated, 3 available")


@pytest.mark.parametrize("error", [refused(403, "pods is forbidden"), httpx2.ReadTimeout("timed out")])
def test_reasons_that_can_not_be_read_are_no_reason_to_give_up(error):
    scene = Scene({0: live(1, 3, 4), 20: DONE})
    scene.pods = error
    scene.wait()
    assert scene.said[1].startswith("its pods can't be looked at: ")


def test_a_log_that_can_not_be_read_is_left_out():
    scene = Scene({0: live(1, 3, 4)}, pods=[REASONS["crash loop"][0]], log=refused(400, "previous terminated"))
    assert str(failure(scene)).endswith("exits with 3 (Error)")
