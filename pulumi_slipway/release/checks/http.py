"""Check kind `http`: does the release answer well?

Reached but not well, or no answer in time, is Failed; not reached at all (name, connection, TLS, the API server itself)
is Error. Within the cluster the network is taken for granted: a pod that refuses the connection is Failed, too.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from lightkube import Client
from lightkube.core.client import LabelSelector
from lightkube.resources.core_v1 import Pod

from pulumi_slipway.cluster.client import web
from pulumi_slipway.cluster.time_limit import Overdue, within
from pulumi_slipway.release.checks.model import Reading, Status, Target
from pulumi_slipway.release.checks.web import Answer, get, plain_url, reason
from pulumi_slipway.settings.checks import Http

UNREACHED = (502, 503, 504)
"""What the API server's proxy answers itself where no pod does."""

API_SECONDS = 3.0
"""For the API server to say its version."""


@dataclass(frozen=True)
class HttpCheck:
    """Measures one track, or one URL."""

    http: Http
    target: Target
    client: Client
    """Of the cluster."""
    web: httpx2.Client
    """For a URL."""
    timeout: float
    token: str | None = None

    def __call__(self, number: int, stop: threading.Event) -> Reading:
        """Asks once, each pod where there is no Service."""
        try:
            return within(self.timeout, stop, self._ask)
        except httpx2.HTTPStatusError as error:
            return Reading(Status.ERROR, f"{self._place} can not be asked: the API server refuses: {reason(error)}")
        except (Overdue, httpx2.ReadTimeout):
            if self.http.url or self._api_answers(stop):
                return Reading(Status.FAILED, f"{self._place} did not answer within {self.timeout:g} s")
            return Reading(Status.ERROR, f"the API server did not answer within {self.timeout:g} s")
        except httpx2.HTTPError as error:
            if self.http.url:
                return Reading(Status.ERROR, f"{self._place} can not be reached: {reason(error)}")
            return Reading(Status.ERROR, f"the API server does not answer: {reason(error)}")

    @property
    def _place(self) -> str:
        if self.http.url:
            return plain_url(self.http.url)
        who = f"Service {self.target.service}" if self.target.service else f"pods of {self.target.workload}"
        return f"{who} {plain_url(self.http.path or '/')}"

    def _ask(self) -> Reading:
        if self.http.url:
            headers = self.http.headers | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
            return self._judged(get(self.web, self.http.url, self.timeout, headers=headers), self._place)
        default = self.target.service_port, self.target.port
        service_port, port = self.target.ports.get(str(self.http.port or ""), default)
        if self.target.service:
            return self._ask_through(f"services/{self.target.service}:{service_port}", self._place)
        pods = sorted(self._ready_pods())
        if not pods:
            return Reading(Status.FAILED, f"{self._place}: none is ready")
        path = plain_url(self.http.path or "/")
        found = [self._ask_through(f"pods/{pod}:{port}", f"pod {pod} {path}") for pod in pods]
        worst = next((it for status in (Status.FAILED, Status.ERROR) for it in found if it.status is status), None)
        return worst or Reading(Status.SUCCESSFUL, f"{self._place}: each of {len(pods)} answers well")

    def _ask_through(self, below: str, place: str) -> Reading:
        """By the API server's proxy; its own refusals come as a Status object, an answer of the pod's doesn't."""
        url = f"api/v1/namespaces/{self.target.namespace}/{below}/proxy{self.http.path}"
        answer = get(web(self.client), url, self.timeout, headers=self.http.headers)
        refusal = _refusal(answer)
        if refusal is None:
            return self._judged(answer, place)
        said = str(refusal.get("message") or answer.status)
        if answer.status in UNREACHED:
            return Reading(Status.FAILED, f"{place} does not answer: {said}")
        return Reading(Status.ERROR, f"{place} can not be asked: the API server answers {answer.status}: {said}")

    def _api_answers(self, stop: threading.Event) -> bool:
        """Whether the API server is there at all, and so it is the release that is silent."""
        try:
            return within(API_SECONDS, stop, lambda: get(web(self.client), "version", API_SECONDS)).status < 500
        except (Overdue, httpx2.HTTPError):
            return False

    def _judged(self, answer: Answer, place: str) -> Reading:
        wanted = self.http.status
        well = 200 <= answer.status < 400 if wanted is None else answer.status == wanted
        if not well:
            allowed = "200 to 399" if wanted is None else str(wanted)
            return Reading(Status.FAILED, f"{place} answers {answer.status}, must be {allowed}")
        if self.http.body and self.http.body not in answer.text:
            return Reading(Status.FAILED, f'{place} answers {answer.status}, without "{self.http.body}" in it')
        return Reading(Status.SUCCESSFUL, f"{place} answers {answer.status}")

    def _ready_pods(self) -> Iterator[str]:
        labels: LabelSelector = dict(self.target.labels)
        for pod in self.client.list(Pod, namespace=self.target.namespace, labels=labels):
            metadata, status = pod.metadata, pod.status
            if metadata is None or status is None or metadata.deletionTimestamp is not None or not metadata.name:
                continue
            if any(it.type == "Ready" and it.status == "True" for it in status.conditions or []):
                yield metadata.name


def _refusal(answer: Answer) -> Mapping[str, Any] | None:
    """The API server's own answer, which is never one of the release's."""
    if answer.status < 400 or "json" not in answer.kind:
        return None
    try:
        found = json.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("kind") == "Status" else None
