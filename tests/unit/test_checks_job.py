"""Check kind `job`: what the Job looks like, what its end means, and that none is left; with a made-up API server."""

import json
import re
import threading
from dataclasses import replace

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube import Client, KubeConfig
from lightkube.config.models import Cluster, User

from pulumi_slipway.cluster.time_limit import Stopped
from pulumi_slipway.release.checks.job import JobCheck
from pulumi_slipway.release.checks.job_manifest import job_name, manifest
from pulumi_slipway.release.checks.model import Status, Target
from pulumi_slipway.release.manifests import ownership
from pulumi_slipway.settings.checks import Job

TARGET = Target(
    "myapp", "production", "shop", "blueGreen", "green", "abc123", "registry/app@sha256:1", "myapp-preview", 3000,
    "gitlab-registry", {"app.kubernetes.io/instance": "myapp"},
)  # fmt: skip
NAME = job_name(TARGET, "smoke", 1)
JOBS, PODS = "/apis/batch/v1/namespaces/shop/jobs", "/api/v1/namespaces/shop/pods"


def refusal(code, message="no"):
    return httpx2.Response(code, json={"kind": "Status", "message": message, "code": code})


def condition(kind, reason=None):
    return {"conditions": [{"type": kind, "status": "True"} | ({"reason": reason} if reason else {})]}


COMPLETE, FAILED = condition("Complete"), condition("Failed", "BackoffLimitExceeded")
OVERDUE = condition("Failed", "DeadlineExceeded")


def pod(**state):
    statuses = [{"name": "check", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}]
    return {"metadata": {"name": f"{NAME}-x"}, "spec": {"containers": []}, "status": {"containerStatuses": statuses}}


def ended(code, reason="Error", **more):
    return pod(terminated={"exitCode": code, "reason": reason, **more})


class Api:
    """A cluster with room for one Job: at each look at it the next status, and what else is told to happen."""

    def __init__(self, *statuses, pod=None, log="", create=None):
        self.statuses, self.pod, self.log, self.create = list(statuses), pod, log, create
        self.live, self.left, self.asked, self.now, self.refuses = None, 0, [], 0.0, []

    def __call__(self, request):
        path, method = request.url.path, request.method
        self.asked.append(f"{method} {path}" + (f"?{request.url.query.decode()}" if request.url.query else ""))
        if method == "POST" and path == JOBS:
            if isinstance(self.create, httpx2.Response):
                return self.create
            self.live = json.loads(request.content)
            if isinstance(self.create, Exception):
                raise self.create
            return httpx2.Response(201, json=self.live)
        if path == f"{JOBS}/{NAME}":
            return self.on_job(method, request)
        if path == PODS:
            assert request.url.params["labelSelector"] == f"job-name={NAME}"
            if isinstance(self.pod, httpx2.Response):
                return self.pod
            return httpx2.Response(200, json={"metadata": {}, "items": [self.pod] if self.pod else []})
        assert path == f"{PODS}/{NAME}-x/log", path
        return self.log if isinstance(self.log, httpx2.Response) else httpx2.Response(200, text=self.log)

    def on_job(self, method, request):
        if self.live is None:
            return refusal(404)
        if method == "DELETE":
            if self.refuses:
                raise self.refuses.pop(0)
            self.left -= 1
            if self.left <= 0:
                self.live = None
            return httpx2.Response(200, json={"kind": "Status"})
        if "status" in self.live:
            return httpx2.Response(200, json=self.live)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(status, Exception):
            raise status
        if isinstance(status, httpx2.Response):
            return status
        return httpx2.Response(200, json=self.live | {"status": status})

    def clock(self):
        self.now += 1
        return self.now

    def measure(self, stop=None, timeout=60, **settings):
        config = KubeConfig.from_one(
            cluster=Cluster(server="https://k8s.example.com"), user=User(token="planted-token")
        )
        client = Client(config, transport=httpx2.MockTransport(self))
        job = Job.model_validate(settings or {"args": ["x"]})
        check = JobCheck("smoke", job, TARGET, client, timeout, poll=0.001, clock=self.clock)
        return check(1, stop or threading.Event())


# What it looks like


def test_it_is_as_safe_as_a_workload_and_ends_by_itself():
    made = manifest(Job(args=("a",)), TARGET, "smoke", 1, 90)
    spec = made["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 90)
    assert spec["ttlSecondsAfterFinished"] > 0
    pod_spec = spec["template"]["spec"]
    (container,) = pod_spec["containers"]
    assert pod_spec["restartPolicy"] == "Never"
    assert pod_spec["automountServiceAccountToken"] is False
    assert pod_spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]) == {"requests", "limits"}
    assert pod_spec["imagePullSecrets"] == [{"name": "gitlab-registry"}]
    assert (
        "imagePullSecrets"
        not in manifest(Job(args=("a",)), replace(TARGET, pull_secret=None), "a", 1, 9)["spec"]["template"]["spec"]
    )


def test_it_is_ours_and_its_pod_is_none_of_the_workloads():
    made = manifest(Job(args=("a",)), TARGET, "smoke", 1, 90)
    for labels in (made["metadata"]["labels"], made["spec"]["template"]["metadata"]["labels"]):
        assert ownership("production").items() <= labels.items()
        assert not {"app.kubernetes.io/name", "app.kubernetes.io/instance", "slipway.dev/track"} & set(labels)


def test_by_default_it_runs_the_releases_own_image():
    container = manifest(Job(args=("a", "{{track}}"), command=("c",)), TARGET, "s", 1, 9)["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert (container["image"], container["command"], container["args"]) == (TARGET.image, ["c"], ["a", "green"])
    other = manifest(Job(image="probe:1", run_as_user=1000), TARGET, "s", 1, 9)["spec"]["template"]["spec"]
    assert (other["containers"][0]["image"], other["securityContext"]["runAsUser"]) == ("probe:1", 1000)
    assert "args" not in other["containers"][0]


def test_it_is_told_what_it_is_of():
    made = manifest(Job(args=("a",), env={"MODE": "quick"}), TARGET, "smoke", 1, 9)
    env = {it["name"]: it["value"] for it in made["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert env == {"MODE": "quick"} | TARGET.variables()
    assert env["SLIPWAY_SERVICE"] == "myapp-preview"


name_of = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)


@given(name_of, name_of, st.text("0123456789abcdef", min_size=10, max_size=10), st.integers(1, 9999))
def test_any_name_fits_into_a_label(workload, check, release, attempt):
    name = job_name(replace(TARGET, workload=workload, release=release), check, attempt)
    assert len(name) <= 63
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)


def test_each_measurement_has_a_name_of_its_own_and_always_the_same():
    names = {
        job_name(replace(TARGET, release=release, track=track), check, attempt)
        for release in "ab" for track in ("blue", "green") for check in ("x" * 30 + "1", "x" * 30 + "2")
        for attempt in (1, 2)
    }  # fmt: skip
    assert len(names) == 16
    assert job_name(TARGET, "smoke", 1) == NAME


# What its end means


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [(COMPLETE, 0, Status.SUCCESSFUL), (FAILED, 3, Status.FAILED), (FAILED, 75, Status.INCONCLUSIVE)],
)
def test_its_exit_status_decides_as_that_of_a_command(status, code, outcome):
    api = Api({}, {"active": 1}, status, pod=ended(code), log="checking\n0.25\n")
    reading = api.measure()
    assert (reading.status, reading.value, reading.output) == (outcome, 0.25, "checking\n0.25\n")
    assert reading.reason == f"exit status {code}, value 0.25"
    assert api.live is None


def test_memory_that_did_not_suffice_is_told():
    assert Api(FAILED, pod=ended(137, "OOMKilled")).measure().reason == "exit status 137 (OOMKilled)"


def test_the_result_does_not_hang_on_the_log_nor_on_reading_pods():
    assert Api(FAILED, pod=ended(3), log=refusal(403)).measure().status is Status.FAILED
    assert Api(COMPLETE | {"succeeded": 1}, pod=refusal(403)).measure().status is Status.SUCCESSFUL


def test_one_without_a_trace_of_its_pod_is_an_error():
    reading = Api(FAILED).measure()
    assert (reading.status, reading.reason) == (
        Status.ERROR,
        f"Job {NAME} failed, and its pod says nothing: it was evicted, deleted or never made",
    )


def test_a_program_that_is_not_there_is_an_error():
    reading = Api(FAILED, pod=ended(128, "StartError", message="no such file")).measure()
    assert (reading.status, reading.reason) == (Status.ERROR, f"Job {NAME} does not start: no such file")


def test_one_that_does_not_end_in_time_is_an_error_with_what_it_waited_for():
    assert Api({}, OVERDUE).measure().reason == f"Job {NAME} did not end within 60 s"
    api = Api({}, {}, OVERDUE, pod=pod(waiting={"reason": "ErrImagePull", "message": "not found"}))
    reading = api.measure()
    assert (reading.status, reading.reason) == (
        Status.ERROR,
        f"Job {NAME} did not end within 60 s: ErrImagePull: not found",
    )
    unschedulable = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}
    stuck = {"metadata": {"name": "x"}, "spec": {"containers": []}, "status": {"conditions": [unschedulable]}}
    assert Api({}, OVERDUE, pod=stuck).measure().reason.endswith("60 s: unschedulable: 0/1 nodes")


def test_a_controller_that_does_nothing_is_not_waited_for_for_ever():
    api = Api({})
    reading = api.measure(timeout=60)
    assert (reading.status, reading.reason) == (Status.ERROR, f"Job {NAME} did not end within 60 s")
    assert 75 <= api.now < 90
    assert api.live is None


def test_a_container_that_can_never_start_is_not_waited_for():
    waiting = {"reason": "CreateContainerConfigError", "message": "image will run as root"}
    api = Api({}, pod=pod(waiting=waiting))
    reading = api.measure()
    assert (reading.status, reading.reason) == (
        Status.ERROR,
        f"Job {NAME} does not start: CreateContainerConfigError: image will run as root",
    )
    assert api.now < 10


def test_a_container_that_is_being_made_waits_for_nothing():
    assert Api({}, OVERDUE, pod=pod(waiting={"reason": "ContainerCreating"})).measure().reason.endswith("within 60 s")


# The API server


@pytest.mark.parametrize("moment", [httpx2.ConnectError("refused"), refusal(503), refusal(429)])
def test_one_that_is_away_for_a_moment_does_not_end_the_measurement(moment):
    assert Api({}, moment, COMPLETE, pod=ended(0)).measure().status is Status.SUCCESSFUL


def test_a_refusal_is_an_error():
    reading = Api({}, create=refusal(403, "jobs.batch is forbidden")).measure()
    assert (reading.status, reading.reason) == (
        Status.ERROR,
        f"Job {NAME} is refused by the API server: jobs.batch is forbidden",
    )
    api = Api({}, refusal(401, "Unauthorized"))
    assert api.measure().reason == f"Job {NAME} is refused by the API server: Unauthorized"
    assert api.live is None


def test_a_job_whose_making_was_not_confirmed_is_deleted_all_the_same():
    api = Api({}, create=httpx2.ReadTimeout("timed out"))
    assert api.measure().reason == f"Job {NAME}: the API server does not answer: timed out"
    assert api.live is None


def test_one_that_someone_else_deletes_is_an_error():
    reading = Api({}, refusal(404)).measure()
    assert (reading.status, reading.reason) == (Status.ERROR, f"Job {NAME} was deleted by someone else")


# Nothing is left


def test_it_is_deleted_with_its_pods():
    api = Api(COMPLETE, pod=ended(0))
    api.measure()
    (deleted,) = [line for line in api.asked if line.startswith("DELETE")]
    assert deleted == f"DELETE {JOBS}/{NAME}?propagationPolicy=Background"


def test_it_is_deleted_by_an_api_server_that_is_away_for_a_moment():
    api = Api(COMPLETE, pod=ended(0))
    api.refuses = [httpx2.ConnectError("refused"), httpx2.ReadTimeout("late")]
    assert api.measure().status is Status.SUCCESSFUL
    assert api.live is None


def test_one_that_can_not_be_deleted_keeps_its_result():
    api = Api(COMPLETE, pod=ended(0))
    api.refuses = [httpx2.ConnectError("refused")] * 9
    assert api.measure().status is Status.SUCCESSFUL


def test_when_it_is_stopped_it_is_deleted():
    stop = threading.Event()
    api = Api({})
    threading.Timer(0.05, stop.set).start()
    api.clock = lambda: 0.0
    with pytest.raises(Stopped):
        api.measure(stop)
    assert api.live is None


def left(**metadata):
    labels = {"labels": ownership("production")}
    return {"metadata": {"name": NAME, "namespace": "shop"} | labels | metadata, "status": {"active": 1}}


def test_what_a_killed_run_left_is_deleted_and_made_anew():
    api = Api(COMPLETE, pod=ended(0))
    api.live, api.left = left(), 2  # it takes a second look until it is gone
    assert api.measure().status is Status.SUCCESSFUL
    methods = [line.partition(" ")[0] for line in api.asked]
    assert methods.index("DELETE") < methods.index("POST")


def test_what_is_not_ours_is_left_alone():
    api = Api({})
    api.live = left(labels={})
    reading = api.measure()
    assert (reading.status, reading.reason) == (
        Status.ERROR,
        f"Job {NAME} exists and is not Slipway's: delete it, or give the check another name",
    )
    assert not [line for line in api.asked if not line.startswith("GET")]


def test_what_does_not_go_is_told():
    api = Api({})
    api.live = left(deletionTimestamp="2026-01-01T00:00:00Z")
    assert api.measure().reason == f"Job {NAME} of a run before is not gone after 20 s"
    assert not [line for line in api.asked if not line.startswith("GET")]
