"""The metadata of every object of the access stack: whose it is, and under which name we write it."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from pulumi_slipway.release.manifests import APPLIED, ownership


def metadata(
    name: str,
    environment: str,
    namespace: pulumi.Input[str] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> k8s.meta.v1.ObjectMetaArgs:
    """Name, ownership labels, and how it is applied: a right that is taken out of a role must go for good."""
    return k8s.meta.v1.ObjectMetaArgs(
        name=name,
        namespace=namespace,
        labels={**ownership(environment), **(labels or {})},
        annotations={**APPLIED, **(annotations or {})},
    )
