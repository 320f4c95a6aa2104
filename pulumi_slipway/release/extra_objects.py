"""The extra objects of a workload: what its source has besides Deployment and Service."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pulumi_slipway.cluster.kinds import Kinds, Unreadable
from pulumi_slipway.core.model import Manifest, Observed, Phase
from pulumi_slipway.core.plan import Plan
from pulumi_slipway.release.jobs import JOB
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import refuse_foreign
from pulumi_slipway.source.images import images, pod_specs
from pulumi_slipway.source.rendered import Rendered, filled, readable

KEPT = ("PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition")
"""With them goes what is in them: data, and all objects of a kind."""


def keeps(kind: str, annotations: Mapping[str, str]) -> bool:
    """Whether an object stays in the cluster when it leaves the source, or the stack is destroyed.

    Source: https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource
    """
    return kind in KEPT or annotations.get("helm.sh/resource-policy") == "keep"


@dataclass(frozen=True)
class ExtraObject:
    """An object of the source that is neither Deployment nor Service, as it is to be and as it is."""

    wanted: Rendered
    live: Manifest | None
    readable: bool = True
    """Whether this identity may read it: a preview reads no Secrets, and takes them to be unchanged."""
    follows: bool = False
    """Whether it is a Service that moves with the workload's own."""
    stays: bool = False
    """Whether it is a Job, and this run has nothing for it to do."""

    def resource_name(self, workload: str) -> str:
        """Its name in the program."""
        return f"{workload}-{self.wanted.kind}-{self.wanted.name}".lower()


def image_beside(plan: Plan, observed: Observed) -> str:
    """The image of a source's other objects: the release's, or what is live while it is still to prove itself.

    What serves nobody can't be released step by step: workers and CronJobs take the image once the release is Healthy.
    """
    waits = plan.phase in (Phase.PAUSED, Phase.PROGRESSING) and observed.committed is not None
    return observed.committed.release.image if waits and observed.committed else plan.release.image


def pointed(objects: Sequence[ExtraObject], moved: Sequence[Manifest]) -> tuple[ExtraObject, ...]:
    """The same, with those that go by the pods' ports as this run makes them; Services among them follow its own."""
    known = {(it["kind"], it["metadata"]["name"]): it for it in moved}
    return tuple(
        replace(it, wanted=Rendered(found, it.wanted.place), follows=it.wanted.kind == "Service")
        if (found := known.get((it.wanted.kind, it.wanted.name)))
        else it
        for it in objects
    )


def extra_objects(
    kinds: Kinds, subject: Subject, image: str, *, exists: bool, jobs: str | None = None
) -> tuple[ExtraObject, ...]:
    """Those of a workload, with the image in them; `exists`: whether its namespace does.

    `jobs`: the image of its Jobs; None: they stay as they are.
    """
    if subject.source is None:
        return ()
    wanted = [
        Rendered(readable(filled(one.manifest, (jobs or image) if one.kind == JOB else image)), one.place)
        for one in subject.source.others
        if not subject.source.scales(one)
    ]
    live: list[Manifest | Unreadable | None] = [None] * len(wanted)
    if exists:
        live = kinds.live(subject.namespace, wanted)
    made = []
    for one, found in zip(wanted, live, strict=True):
        if isinstance(found, Unreadable):
            made.append(ExtraObject(one, None, readable=False))
            continue
        if found is not None:
            refuse_foreign(subject, one.kind, found)
        whole = Rendered(_with_login(one.manifest, subject.environment.image_pull_secret, found), one.place)
        made.append(ExtraObject(whole, found, stays=one.kind == JOB and jobs is None))
    return tuple(made)


def _with_login(manifest: Manifest, secret: str | None, live: Manifest | None) -> Manifest:
    """With the environment's pull secret where its pods name none; what runs without it is left so with its image."""
    without = live is not None and not any(spec.get("imagePullSecrets") for spec in pod_specs(live))
    if not secret or (without and images(live) == images(manifest)):
        return manifest
    whole: dict[str, Any] = json.loads(json.dumps(manifest))
    for spec in pod_specs(whole):
        spec["imagePullSecrets"] = spec.get("imagePullSecrets") or [{"name": secret}]
    return whole
