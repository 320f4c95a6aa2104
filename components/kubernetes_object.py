"""An object of Kubernetes as a resource of the engine, from its manifest as it is.

The typed classes of pulumi_kubernetes are the same resources; but importing those of one API group takes up to 0.2 s of
every run (core/v1 has some thousand types), and the manifests here are plain data already.
"""

from typing import Any

import pulumi

from pulumi_slipway.components.before_write import BeforeWrite, Works
from pulumi_slipway.components.log import Log
from pulumi_slipway.core.keys import OBSERVED
from pulumi_slipway.core.model import Manifest
from pulumi_slipway.release.manifests import API_VERSIONS

REPLACED = ("Job", "Pod", "RoleBinding", "ClusterRoleBinding")
"""Kinds that are deleted and made anew where a change asks for it: nobody is served by them in between."""


class KubernetesObject(pulumi.CustomResource):
    """One object; a kind that is not in `API_VERSIONS` says its `apiVersion` itself.

    The `data` of a Secret is encrypted in the state, whoever declares it. `works` are done `before` it is written.
    """

    def __init__(  # noqa: PLR0917
        self,
        kind: str,
        name: str,
        manifest: Manifest,
        before: BeforeWrite,
        works: Works,
        opts: pulumi.ResourceOptions,
    ) -> None:
        version = str(manifest.get("apiVersion") or API_VERSIONS[kind])
        group = version if "/" in version else f"core/{version}"
        metadata = dict(manifest["metadata"])
        gone = before.state.missing(kind, metadata) if works.update else None
        if gone:
            metadata["annotations"] = {**metadata["annotations"], OBSERVED: gone}
            if pulumi.runtime.is_dry_run():  # the provider can't preview an update of what isn't there
                opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(replace_on_changes=["*"]))
        props: dict[str, Any] = {**manifest, "metadata": metadata, "apiVersion": version, "kind": kind}
        if kind == "Secret" and "data" in props:
            props["data"] = pulumi.Output.secret(props["data"])
            opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["data"]))
        type_ = f"kubernetes:{group}:{kind}"
        known = before.state.aliases(kind, metadata)
        # Where the engine replaces it, it makes the new one first, and the hook refuses that: nothing is deleted yet.
        in_place = None if kind in REPLACED or manifest.get("immutable") else False
        if works.kept:  # the provider compares the inputs with what its last write came to
            opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=[*props]))
        hooks = pulumi.ResourceOptions(
            hooks=before.binding(type_, name, works), aliases=known, delete_before_replace=in_place
        )
        super().__init__(type_, name, props, pulumi.ResourceOptions.merge(opts, hooks))
        if gone and pulumi.runtime.is_dry_run():
            Log(self).warn(f"{kind} {metadata['name']} is gone from the cluster: `pulumi up` makes it again")
