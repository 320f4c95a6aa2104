"""Check kind `job`: what does a Kubernetes Job beside the release say?"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx2
from lightkube import ApiError, Client
from lightkube.resources.batch_v1 import Job as JobResource
from lightkube.resources.core_v1 import Pod
from lightkube.types import CascadeType

from pulumi_slipway.cluster.time_limit import Stopped
from pulumi_slipway.release.checks.command import judged
from pulumi_slipway.release.checks.job_manifest import job_name, manifest
from pulumi_slipway.release.checks.model import Reading, Status, Target
from pulumi_slipway.release.checks.web import reason
from pulumi_slipway.release.manifests import ownership
from pulumi_slipway.release.why import LASTING
from pulumi_slipway.settings.checks import Job

LATE_SECONDS = 15.0
"""The cluster ends a Job at its deadline; if nothing is heard of that by then, nobody looks after Jobs there."""

DELETE_SECONDS = 20.0
"""For what a killed run left of the same name to be gone."""

DELETE_TRIES = 5
"""An API server that is away for a moment shall not leave a Job running that nobody waits for."""

NOT_STARTED = ("StartError", "ContainerCannotRun")
"""A container that ended for one of these reasons has not run: its exit status is not its own."""

LOG_LINES = 5


class NotMeasured(Exception):
    """Why there is no result; the text is for people."""


@dataclass(frozen=True)
class JobCheck:
    """Measures by one Job."""

    name: str
    job: Job
    target: Target
    client: Client
    timeout: int
    poll: float = 0.5
    clock: Callable[[], float] = time.monotonic

    def __call__(self, attempt: int, stop: threading.Event) -> Reading:
        """Runs one Job to its end, and deletes it, whatever happens."""
        name = job_name(self.target, self.name, attempt)
        try:
            self._make_way(name, stop)
            try:
                wanted = JobResource.from_dict(manifest(self.job, self.target, self.name, attempt, self.timeout))
                self.client.create(cast(JobResource, wanted))
                return self._follow(name, stop)
            finally:  # even where creating failed: an answer that got lost has made it all the same
                self._delete(name)
        except NotMeasured as error:
            return Reading(Status.ERROR, f"Job {name} {error}")
        except httpx2.HTTPStatusError as error:
            return Reading(Status.ERROR, f"Job {name} is refused by the API server: {reason(error)}")
        except httpx2.HTTPError as error:
            return Reading(Status.ERROR, f"Job {name}: the API server does not answer: {reason(error)}")

    def _make_way(self, name: str, stop: threading.Event) -> None:
        """Deletes what a killed run has left under this name."""
        until = self.clock() + DELETE_SECONDS
        while (live := self._read(name)) is not None:
            if not ownership(self.target.environment).items() <= live["metadata"].get("labels", {}).items():
                raise NotMeasured("exists and is not Slipway's: delete it, or give the check another name")
            if self.clock() > until:
                raise NotMeasured(f"of a run before is not gone after {DELETE_SECONDS:g} s")
            if not live["metadata"].get("deletionTimestamp"):
                self._delete(name)
            self._sleep(stop)

    def _follow(self, name: str, stop: threading.Event) -> Reading:
        until, waits_for = self.clock() + self.timeout + LATE_SECONDS, ""
        while self.clock() < until:
            self._sleep(stop)
            try:
                live = self._read(name)
                pod = self._pod(name)
            except httpx2.HTTPStatusError as error:
                if error.response.status_code in (429, *range(500, 600)):
                    continue
                raise
            except httpx2.TransportError:
                continue  # away for a moment, while the Job runs on
            if live is None:
                raise NotMeasured("was deleted by someone else")
            waits_for = _waits_for(pod) or waits_for
            ended = _ended(live)
            if ended == "DeadlineExceeded":
                break
            if ended is not None:
                return self._result(pod, live)
            if _state(pod).get("waiting", {}).get("reason") in LASTING:
                raise NotMeasured(f"does not start: {waits_for}")
        raise NotMeasured(f"did not end within {self.timeout} s" + (f": {waits_for}" if waits_for else ""))

    def _result(self, pod: Mapping[str, Any], live: Mapping[str, Any]) -> Reading:
        state = _state(pod).get("terminated")
        if state is None:
            if live.get("status", {}).get("succeeded"):  # its pod may not be read
                return Reading(Status.SUCCESSFUL, "exit status 0")
            raise NotMeasured("failed, and its pod says nothing: it was evicted, deleted or never made")
        if state.get("reason") in NOT_STARTED:
            raise NotMeasured(f"does not start: {state.get('message') or state['reason']}")
        reading = judged(state["exitCode"], self._log(pod["metadata"]["name"]))
        if state.get("reason") == "OOMKilled":
            return Reading(Status.FAILED, f"{reading.reason} (OOMKilled)", reading.value, reading.output)
        return reading

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.client.get(JobResource, name, namespace=self.target.namespace).to_dict()
        except ApiError as error:
            if error.status.code == 404:
                return None
            raise
        return found

    def _pod(self, name: str) -> dict[str, Any]:
        """The Job's one pod; empty where there is none yet, or where it may not be read."""
        try:
            pods = list(self.client.list(Pod, namespace=self.target.namespace, labels={"job-name": name}))
        except ApiError as error:
            if error.status.code == 403:
                return {}
            raise
        return pods[0].to_dict() if pods else {}

    def _log(self, pod: str) -> str:
        try:
            return "".join(self.client.log(pod, namespace=self.target.namespace, tail_lines=LOG_LINES))
        except httpx2.HTTPError:  # the result is known without it
            return ""

    def _delete(self, name: str) -> None:
        """With its pods. Where that fails its deadline ends it, and the cluster takes it away later."""
        for _ in range(DELETE_TRIES):
            try:
                self.client.delete(JobResource, name, namespace=self.target.namespace, cascade=CascadeType.BACKGROUND)
                return
            except httpx2.HTTPStatusError as error:
                if error.response.status_code == 404:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(self.poll)

    def _sleep(self, stop: threading.Event) -> None:
        if stop.wait(self.poll):
            raise Stopped


def _ended(live: Mapping[str, Any]) -> str | None:
    """Why it has ended, as its condition says; None while it runs."""
    for condition in live.get("status", {}).get("conditions", []):
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return str(condition.get("reason", condition["type"]))
    return None


def _state(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    statuses = pod.get("status", {}).get("containerStatuses", [])
    state: Mapping[str, Any] = statuses[0].get("state", {}) if statuses else {}
    return state


def _waits_for(pod: Mapping[str, Any]) -> str:
    """What keeps the pod from running, empty if nothing does."""
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"unschedulable: {condition.get('message', '')}"
    waiting = _state(pod).get("waiting", {})
    if waiting.get("reason") in (None, "ContainerCreating", "PodInitializing"):
        return ""
    return f"{waiting['reason']}: {waiting.get('message', '')}"
