"""The one explicit Kubernetes provider of a stack, with its settings in one place."""

import inspect
import os
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from pulumi_slipway.core.errors import UserError

UPSERT = "upsert_existing_objects"
UNFIT = {
    "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY": "false",
    "PULUMI_K8S_DELETE_UNREACHABLE": "true",
    "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE": "true",
}
"""The provider's own variables with the values that a release can't live with: objects would be written by another way
than the one that their guards know, or forgotten while they run."""


def kubernetes_provider(
    name: str, opts: pulumi.ResourceOptions | None = None, kubeconfig: str | None = None
) -> k8s.Provider:
    """The provider for the cluster of this kubeconfig, else of the one in use (KUBECONFIG).

    - Upsert: a run killed after a create finds the object there; the next run takes it over and goes on. What isn't
      ours is refused before (release/observe.py). Older packages (4.25) have no such setting: their provider always
      does so.
    - Mutable ConfigMaps and Secrets: those of a source are changed in place, as kubectl does; a replacement takes them
      away for a moment. What a release reads is immutable, and has another name when its content changes.
    - Cluster identifier: without it a kubeconfig whose server or CA differs from the last run's replaces the provider
      and with it every object: created, then deleted (measured: "4 replaced", and nothing left). Moving a stack to
      another cluster is seen by observing: what isn't there is made.
    - Client settings: with the defaults 100 workloads took 14.7 s (facts.md).

    Raises UserError where the job's environment tells the provider what a release can't live with.
    """
    unfit = [f"{key}={value}" for key, value in UNFIT.items() if os.environ.get(key, "").lower() in (value, value[0])]
    if unfit:
        raise UserError(f"{', '.join(unfit)} in the job's environment: objects might be lost with it: unset it")
    known = inspect.signature(k8s.Provider._internal_init).parameters
    newer: dict[str, Any] = {UPSERT: True} if UPSERT in known else {}
    return k8s.Provider(
        name,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        cluster_identifier="slipway",
        kubeconfig=None if kubeconfig is None else pulumi.Output.secret(kubeconfig),
        kube_client_settings=k8s.KubeClientSettingsArgs(qps=200, burst=400),
        opts=opts,
        **newer,
    )
