"""A workload's tracks and Service in the cluster, read and written past the engine."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lightkube import ApiError, Client
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.types import PatchType

from pulumi_slipway.cluster.retry import while_away
from pulumi_slipway.core.keys import POOL_LABEL, RELEASE_LABEL
from pulumi_slipway.core.model import HOME, Manifest, Pool, Record, Release, TrackName
from pulumi_slipway.release import manifests
from pulumi_slipway.release.bound import annotation
from pulumi_slipway.release.manifests import MANAGER, Subject
from pulumi_slipway.release.observe import pool_of, read
from pulumi_slipway.release.service_ports import services

SCALER = "slipway-scale"
"""Field manager of a number of pods that Pulumi does not declare: it outlives an apply without the field."""


@dataclass(frozen=True)
class Live:
    """One workload. What is written can be written twice."""

    client: Client
    subject: Subject

    def deployment(self, track: TrackName) -> Manifest | None:
        """The track's Deployment; None where there is none."""
        return while_away(lambda: read(self.client, Deployment, self._name(track), self.subject.namespace))

    def scale(self, track: TrackName, pods: int) -> None:
        """Sets the number of a track's pods; a track that is gone has none already."""
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": pods}}
        try:
            while_away(lambda: self._merge(Deployment, self._name(track), body, SCALER))
        except ApiError as error:
            if error.status.code != 404 or pods:
                raise

    def apply(
        self, track: TrackName, release: Release, template: Manifest, pods: int | None, records: Sequence[Record] = ()
    ) -> None:
        """Gives a track a release, as the provider would; `template`: its pods', `records`: its ledger's."""
        manifest = manifests.deployment(self.subject, track, template, pods)
        manifest["metadata"]["annotations"] |= annotation(release, records)
        body: Any = Deployment.from_dict({"apiVersion": "apps/v1", "kind": "Deployment", **manifest})
        while_away(lambda: self.client.apply(body, field_manager=MANAGER, force=True))

    def remove(self, track: TrackName) -> None:
        """Deletes the track's Deployment, if it is there."""
        try:
            while_away(lambda: self.client.delete(Deployment, self._name(track), namespace=self.subject.namespace))
        except ApiError as error:
            if error.status.code != 404:
                raise

    def point(self, pool: Pool) -> None:
        """Points the Services to a pool, on the ports that its pods have.

        One that was deleted by hand is made again: users wait for no release.
        """
        deployment = self.deployment(HOME[pool])
        templates = [deployment["spec"]["template"]] if deployment else []
        for one in services(self.subject, pool, templates, strict=False):
            spec = {"selector": one["spec"]["selector"]} | (
                {"ports": one["spec"]["ports"]} if self.subject.source else {}
            )
            name = one["metadata"]["name"]
            try:
                while_away(partial(self._merge, Service, name, {"spec": spec}, MANAGER))
            except ApiError as error:
                if error.status.code != 404:
                    raise
                made: Any = Service.from_dict({"apiVersion": "v1", "kind": "Service", **one})
                while_away(partial(self.client.apply, made, field_manager=MANAGER, force=True))

    def serving(self) -> Pool | None:
        """Where the Service points."""
        service = while_away(lambda: read(self.client, Service, self.subject.called("Service"), self.subject.namespace))
        return pool_of(self.subject, service)

    def endpoints(self, service: str) -> dict[str, dict[str, int]]:
        """The pods that a Service sends requests to, by name: the number of each of its ports, by the port's name."""
        labels = {"kubernetes.io/service-name": service}
        slices = while_away(
            lambda: [*self.client.list(EndpointSlice, namespace=self.subject.namespace, labels={**labels})]
        )
        found: dict[str, dict[str, int]] = {}
        for one in slices:
            ports = {it.name or "": it.port for it in one.ports or [] if it.port is not None}
            for endpoint in one.endpoints or []:
                if endpoint.targetRef is not None and endpoint.conditions and endpoint.conditions.ready:
                    found.setdefault(str(endpoint.targetRef.name), {}).update(ports)
        return found

    def pods(self, track: TrackName) -> dict[str, bool]:
        """The track's pods that are not on their way out, by name, and whether they are ready."""
        labels = manifests.deployment(self.subject, track, {}, None)["spec"]["selector"]["matchLabels"]
        found = while_away(lambda: [*self.client.list(Pod, namespace=self.subject.namespace, labels=labels)])
        return {str(p.metadata.name): _ready(p) for p in found if p.metadata and not p.metadata.deletionTimestamp}

    def shares(self) -> dict[str, int]:
        """The releases of the ready pods that the Service could send to, and how many pods each has."""
        pool = self.serving()
        if pool is None:
            return {}
        labels: dict[str, Any] = {**self.subject.selector, POOL_LABEL: str(pool)}
        found = [it for it in self.client.list(Pod, namespace=self.subject.namespace, labels=labels) if _ready(it)]
        there = [it.metadata for it in found if it.metadata and not it.metadata.deletionTimestamp]
        return dict(Counter((it.labels or {}).get(RELEASE_LABEL, "?") for it in there))

    def _name(self, track: TrackName) -> str:
        return self.subject.name + track.suffix

    def _merge(self, resource: type[Any], name: str, body: dict[str, Any], manager: str) -> None:
        self.client.patch(
            resource,
            name,
            body,
            namespace=self.subject.namespace,
            patch_type=PatchType.MERGE,
            field_manager=manager,
        )


def _ready(pod: Pod) -> bool:
    conditions = (pod.status.conditions or []) if pod.status else []
    return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)
