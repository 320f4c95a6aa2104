"""Settings of the environment that a stack deploys to."""

import re
from typing import Annotated, Literal

from pydantic import Field

from pulumi_slipway.settings.checks import Address
from pulumi_slipway.settings.notices import Notice
from pulumi_slipway.settings.types import (
    DnsLabel,
    DnsName,
    Flag,
    Labels,
    Model,
    Repository,
    Seconds,
    Server,
    VariableName,
    duration,
)
from pulumi_slipway.settings.windows import Freeze, Window

Level = Literal["off", "warn", "deny"]


def is_production(name: str) -> bool:
    """Whether the name of an environment says that it is production: `production`, `eu-prod`, `live`, not `preprod`."""
    return bool(re.search(r"(?<!pre)(?<!pre-)(?<!non)(?<!non-)pro?d|live", name))


class PromoteFrom(Model):
    """The environment that a release must have been Healthy in before it may come here."""

    environment: DnsLabel
    """Its name, as in its own stack."""
    namespace: DnsLabel = Field(default_factory=lambda data: data.get("environment", ""), validate_default=False)
    """Its namespace. Default: its name."""
    verified_for: Annotated[Seconds, duration(0, 90 * 86400)] = 600
    """How long an image must have been Healthy there. Default 10m."""
    kubeconfig: VariableName | None = None
    """The job's variable with the path of a kubeconfig for its cluster; reading ConfigMaps is all it needs. Default
    null: the same cluster, by the identity of the job."""


class Policy(Model):
    """What is looked at in every object before anything is written, and what becomes of it: off, warn or deny."""

    mutable_tag: Level = "warn"
    """An image that is not named by its digest: what runs may change by itself. Default warn."""
    resources: Level = "warn"
    """A container without requests or without limits. Default warn."""
    probe: Level = "warn"
    """A container that a Service sends to, without a readinessProbe. Default warn."""
    privileged: Level = "deny"
    """A privileged container, or one with the host's network, processes or IPC. Default deny."""
    host_path: Level = "deny"
    """A volume that is a directory of the node. Default deny."""
    quota: Level = "deny"
    """More than the namespace's ResourceQuota allows all pods together. Default deny."""


class Environment(Model):
    """Where this stack's workloads live. The access stack has made the namespace and its pull secret."""

    name: DnsLabel
    """The environment, as in `slipway:access.environments`; it is a label on every object."""
    namespace: DnsLabel = Field(default_factory=lambda data: data.get("name", ""), validate_default=False)
    """Namespace in the cluster. Default: `name`."""
    server: Server | None = None
    """Its API server: a kubeconfig of another is refused, also one that whoever starts a pipeline brings. Default null:
    any."""
    image_pull_secret: DnsName | None = None
    """Secret to pull images with; the access stack makes `gitlab-registry`. Default null: images are public."""
    prometheus: Address | None = None
    """Where checks ask Prometheus, as the job reaches it: "http://prometheus.monitoring:9090". Default null: each check
    says it itself."""
    promote_from: PromoteFrom | None = None
    """Where releases are verified first; any other image is refused. Default null: any image."""
    repositories: tuple[Repository, ...] = ()
    """Repositories, those below them too, that images may be promoted from beside the GitLab project's own
    ($CI_REGISTRY_IMAGE) and that of what is live here. Default: none."""
    policy: Policy = Field(default_factory=Policy)
    """What objects must not have."""
    freeze: tuple[Freeze, ...] = ()
    """Times in which no release comes here, beside GitLab's own deploy freezes ($CI_DEPLOY_FREEZE). Rollback and abort
    always pass; SLIPWAY_OVERRIDE=<why> lets one release through. Default: none."""
    windows: tuple[Window, ...] = ()
    """The only times in which releases come here, where there are any. Default: any time."""
    notices: tuple[Notice, ...] = ()
    """Who is told what became of a release, by `slipway up` and the other jobs of the pipeline. Default: none."""
    labels: Labels = Field(default_factory=dict)
    """Labels for every object of the environment. Default: none."""
    remove: tuple[DnsLabel, ...] = ()
    """Workloads that were taken out of `slipway:workloads` to be deleted, with their ledgers. One that is missing there
    and not named here stops the run: it may be misspelt. Default: none."""
    allow_destroy: Flag = Field(
        default_factory=lambda data: not is_production(data.get("name", "")), validate_default=False
    )
    """Whether `pulumi destroy` may delete it. False: it stops before the first object, until an `up` with true.
    Default: true, but false where the name says that it is production (`production`, `eu-prod`, `live`)."""
