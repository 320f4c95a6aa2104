"""The extra objects of a workload: what its source has besides Deployment and Service."""

from dataclasses import dataclass

from pulumi_slipway.cluster.kinds import Kinds, Unreadable
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release.manifests import Subject
from pulumi_slipway.release.observe import refuse_foreign
from pulumi_slipway.source.rendered import Rendered, filled, readable


@dataclass(frozen=True)
class ExtraObject:
    """An object of the source that is neither Deployment nor Service, as it is to be and as it is."""

    wanted: Rendered
    live: Manifest | None
    readable: bool = True
    """Whether this identity may read it: a preview reads no Secrets, and takes them to be unchanged."""


def extra_objects(kinds: Kinds, subject: Subject, image: str, *, exists: bool) -> tuple[ExtraObject, ...]:
    """Those of a workload, with the release's image in them; `exists`: whether its namespace does."""
    if subject.source is None:
        return ()
    wanted = [
        Rendered(readable(filled(one.manifest, image)), one.place)
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
        made.append(ExtraObject(one, found))
    return tuple(made)
