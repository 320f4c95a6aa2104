"""An environment: its workloads, each with its release."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.provider import kubernetes_provider
from components.workload import Workload, WorkloadArgs
from preflight import cluster
from release.manifests import Subject
from release.prepare import prepare
from settings import Environment as EnvironmentSettings
from settings import Run
from settings import Workload as WorkloadSettings


@dataclass
class EnvironmentArgs:
    """What an Environment is made of."""

    settings: EnvironmentSettings
    workloads: Mapping[str, WorkloadSettings]
    run: Run


class Environment(pulumi.ComponentResource):
    """The workloads of one namespace. Everything is asked and planned before the first resource is declared.

    Raises UserError where the cluster, a right, an image or a value is missing: nothing is written then.
    """

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Environment", name, None, opts)
        namespace, preview = args.settings.namespace, pulumi.runtime.is_dry_run()
        client = cluster.connect()
        exists = cluster.check(client, namespace, needed_rights(args.workloads, preview=preview))
        if not exists and not preview:
            raise cluster.PreflightError(
                f"namespace {namespace} does not exist: run `pulumi up` on the access stack, which makes it"
            )
        if not exists:
            pulumi.log.warn(f"namespace {namespace} does not exist yet: this preview shows everything as new", self)
        prepared = {
            key: prepare(
                client,
                Subject(key, args.settings, workload),
                args.run,
                preview=preview,
                exists=exists,
                warn=pulumi.log.warn,
            )
            for key, workload in args.workloads.items()
        }
        provider = kubernetes_provider(f"{name}-kubernetes", pulumi.ResourceOptions(parent=self))
        below = pulumi.ResourceOptions(parent=self, provider=provider)
        self.workloads = {
            key: Workload(key, WorkloadArgs(prepared=one, client=client), below) for key, one in prepared.items()
        }
        self.summary = {key: workload.summary for key, workload in self.workloads.items()}
        self.register_outputs({"workloads": self.summary})


def needed_rights(workloads: Mapping[str, WorkloadSettings], *, preview: bool) -> list[cluster.Right]:
    """What the identity must be allowed for these workloads; a preview only reads, and no Secrets."""
    kinds = ["deployments.apps", "services", "configmaps"]
    kinds += ["poddisruptionbudgets.policy", "horizontalpodautoscalers.autoscaling"]
    kinds += ["ingresses.networking.k8s.io", "networkpolicies.networking.k8s.io"]
    if preview:
        return cluster.rights(cluster.READ, *kinds)
    if any(workload.secret_env for workload in workloads.values()):
        kinds.append("secrets")
    return cluster.rights((*cluster.READ, *cluster.WRITE), *kinds) + cluster.rights(("get", "list"), "pods")
