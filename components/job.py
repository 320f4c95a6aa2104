"""A Job of a source as a resource: done once for each image, watched while the engine waits, not done on a way back."""

import time

import pulumi
from lightkube.resources.batch_v1 import Job
from lightkube.types import CascadeType

from pulumi_slipway.cluster.kinds import Kinds
from pulumi_slipway.components import program
from pulumi_slipway.components.before_write import Works
from pulumi_slipway.components.kubernetes_object import KubernetesObject
from pulumi_slipway.components.log import Log
from pulumi_slipway.components.planner import Planned
from pulumi_slipway.core.keys import OBSERVED
from pulumi_slipway.release.declared import declared
from pulumi_slipway.release.extra_objects import ExtraObject
from pulumi_slipway.release.interrupt import Interrupt
from pulumi_slipway.release.jobs import failed, find, look
from pulumi_slipway.release.manifests import MANAGER
from pulumi_slipway.release.watch import Watch
from pulumi_slipway.source.images import images

GONE_SECONDS = 60
AWAITED_SECONDS = 600
"""The provider's own limit."""


def job(name: str, one: ExtraObject, planned: Planned, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """The resource; none where the Job has nothing to do and the state doesn't know it."""
    manifest, subject, state = one.wanted.manifest, planned.prepared.subject, planned.before_write.state
    metadata = subject.adopted(manifest)
    known = state.holds("Job", metadata)
    if one.stays and not known and (one.live or planned.prepared.plan.rolls_back):
        return []
    limit = (manifest.get("spec") or {}).get("activeDeadlineSeconds")
    if limit and limit > AWAITED_SECONDS:
        metadata["annotations"].setdefault("pulumi.com/timeoutSeconds", str(limit + 60))
    bare = {key: value for key, value in manifest.items() if key not in ("metadata", "status")}
    whole = {**bare, "metadata": metadata}
    admitted = not one.stays and not failed(one.live) and planned.explains("Job", whole, one.live)
    wanted = declared(whole, one.live, by=planned.prepared.by, admitted=admitted)
    more = pulumi.ResourceOptions()
    if one.stays:
        more = pulumi.ResourceOptions(ignore_changes=["spec", "metadata"])
    elif known and one.live is None:  # it has run for its image, and its time to live is over
        more = pulumi.ResourceOptions(ignore_changes=["metadata"])
    elif failed(one.live):
        assert one.live is not None  # noqa: S101
        wanted["metadata"]["annotations"][OBSERVED] = f"failed, was {one.live['metadata']['uid']}"
    log = Log(opts.parent)
    # A Job's template can't change, and one that has failed is over.
    ends = one.live and (failed(one.live) or images(one.wanted.manifest) != images(one.live))
    replaced = one.live["metadata"]["uid"] if one.live and ends else None
    here = (planned.client, subject.namespace, one.wanted.name)
    watch = Watch(f"Job {one.wanted.name}", lambda: look(*here, replaced), log.info)
    program.waiting(watch.why)

    def clear(_: Interrupt) -> None:
        """A Job that the state doesn't know can't be changed to the new one: it is taken away."""
        if replaced and not known:
            _delete(planned, one)

    def again(_: Interrupt) -> None:
        """One that has failed is no more to be done: a new one takes its place, which the update then finds."""
        if failed(one.live):
            _delete(planned, one)
            Kinds(planned.client).apply(subject.namespace, wanted, MANAGER)

    works = Works([clear, lambda _: watch.begin()], update=[again], kept=admitted)
    opts = pulumi.ResourceOptions.merge(opts, more)
    return [KubernetesObject("Job", one.resource_name(name), wanted, planned.before_write, works, opts)]


def _delete(planned: Planned, one: ExtraObject) -> None:
    client, namespace, name = planned.client, planned.prepared.subject.namespace, one.wanted.name
    client.delete(Job, name, namespace=namespace, cascade=CascadeType.BACKGROUND)
    until = time.monotonic() + GONE_SECONDS
    while find(client, namespace, name) and time.monotonic() < until:
        time.sleep(0.5)
