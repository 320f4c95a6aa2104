"""Changes that Kubernetes takes to no object that is there: it would be deleted, with what it serves or holds."""

from collections.abc import Iterable, Iterator, Mapping

from pulumi_slipway.core.errors import UserError
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release import manifests
from pulumi_slipway.release.admitted import Explains
from pulumi_slipway.release.drift import drift
from pulumi_slipway.release.prepare import Prepared

FIELDS: Mapping[str, tuple[str, ...]] = {
    "DaemonSet": ("spec.selector",),
    "PersistentVolumeClaim": ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
    "Service": ("spec.clusterIP",),
    "StatefulSet": (
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
}
"""By kind; the fields for which the provider replaces an object (pulumi-kubernetes, provider/diff.go). A Deployment's
selector is looked at where it is observed. Jobs and bindings are replaced: nothing is lost with them."""


def refuse_immutable(prepared: Iterable[Prepared], explains: Explains) -> None:
    """Raises UserError for the objects that differ in such a field from what is live."""
    mistakes = [
        f"{kind} {wanted['metadata']['name']}: {path} can't be changed where it is, and it is not deleted for that: "
        "give the new one another name, or delete it yourself and run again"
        for it in prepared
        for kind, wanted, live in _objects(it)
        for path in dict.fromkeys(_field(kind, found) for found in drift(wanted, live))
        if path and not explains(kind, wanted, live)
    ]
    if mistakes:
        raise UserError("\n".join(mistakes))


def _objects(prepared: Prepared) -> Iterator[tuple[str, Manifest, Manifest]]:
    service = prepared.world.live("Service")
    if service is not None:
        yield "Service", manifests.service(prepared.subject, prepared.plan.pool), service
    for it in prepared.extra_objects:
        if it.live is not None and it.wanted.kind in FIELDS:
            yield it.wanted.kind, it.wanted.manifest, it.live


def _field(kind: str, path: str) -> str:
    return next((field for field in FIELDS[kind] if path == field or path.startswith((f"{field}.", f"{field}["))), "")
