"""The objects of a source that are neither Deployment nor Service: each a resource, as its author wrote it."""

from collections.abc import Sequence
from functools import partial

import pulumi

from pulumi_slipway.components import program
from pulumi_slipway.components.before_write import Work, Works
from pulumi_slipway.components.guarded import guarded
from pulumi_slipway.components.job import job
from pulumi_slipway.components.kubernetes_object import KubernetesObject
from pulumi_slipway.components.log import Log
from pulumi_slipway.components.planner import Planned
from pulumi_slipway.release.declared import declared
from pulumi_slipway.release.extra_objects import ExtraObject, keeps
from pulumi_slipway.release.jobs import JOB
from pulumi_slipway.release.manifests import SKIP_AWAIT
from pulumi_slipway.release.watch import ROLLED_OUT, Watch, rolled_out
from pulumi_slipway.source.definition import ORDER

NOT_AWAITED = ("Service", "Ingress", "PersistentVolumeClaim")
"""Kinds whose wait by the provider would hang or tell nothing: no endpoints, no controller, no pod that claims it."""


def ordered(objects: Sequence[ExtraObject]) -> tuple[list[ExtraObject], list[ExtraObject], list[ExtraObject]]:
    """What is made before the tracks, in the order of kinds, what is with the Service, and what comes after them."""
    before = [it for it in objects if it.wanted.kind in ORDER and not it.follows]
    first = sorted(before, key=lambda it: ORDER.index(it.wanted.kind))
    return first, [it for it in objects if it.follows], [it for it in objects if it.wanted.kind not in ORDER]


def extra_objects(
    name: str,
    objects: Sequence[ExtraObject],
    planned: Planned,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource] = (),
) -> list[pulumi.Resource]:
    """The resources, each kind after those before it: a custom resource needs its definition, a pod its account."""
    made: list[pulumi.Resource] = []
    before, kind = list(after), ""
    for one in objects:
        if one.wanted.kind != kind or kind == JOB:  # Jobs one after the other
            kind, before = one.wanted.kind, [*after, *made]
        opts = pulumi.ResourceOptions(parent=parent, provider=planned.provider, depends_on=before)
        if one.wanted.kind == JOB:
            made += job(name, one, planned, opts)
        else:
            made.append(_object(name, one, planned, opts))
    return made


def _watched(planned: Planned, one: ExtraObject, log: Log) -> Work:
    """What says why the pods of an object beside the workload's own do not come up."""
    here = (planned.client, planned.prepared.subject.namespace, one.wanted.kind, one.wanted.name)
    watch = Watch(f"{one.wanted.kind} {one.wanted.name}", partial(rolled_out, *here), log.info)
    program.waiting(watch.why)
    return lambda _: watch.begin()


def _object(name: str, one: ExtraObject, planned: Planned, opts: pulumi.ResourceOptions) -> KubernetesObject:
    kind, manifest, subject = one.wanted.kind, one.wanted.manifest, planned.prepared.subject
    metadata = subject.adopted(manifest, SKIP_AWAIT if kind in NOT_AWAITED else None)
    if kind in ROLLED_OUT:
        metadata["annotations"].setdefault("pulumi.com/timeoutSeconds", str(subject.workload.progress_deadline))
    bare = {key: value for key, value in manifest.items() if key not in ("metadata", "status")}
    whole = {**bare, "metadata": metadata}
    admitted = planned.explains(kind, whole, one.live)
    wanted = declared(whole, one.live, by=planned.prepared.by, admitted=admitted)
    left = [] if one.readable else ["data", "metadata"]
    told = [_watched(planned, one, Log(opts.parent))] if kind in ROLLED_OUT else []
    works = guarded(planned.client, kind, wanted, one.live, told, kept=admitted) if one.readable else Works()
    stays = keeps(kind, metadata["annotations"])
    opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=left, retain_on_delete=stays))
    return KubernetesObject(kind, one.resource_name(name), wanted, planned.before_write, works, opts)
