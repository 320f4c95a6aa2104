"""What every workload is made of, whichever its strategy: the settings of a stack file as arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pulumi
from pydantic.alias_generators import to_camel

from pulumi_slipway.components.inputs import Resolver

if TYPE_CHECKING:
    from pulumi_slipway.components.environment import Environment

Block = Mapping[str, Any]
"""A block of settings as in a stack file (`pulumi_slipway/settings/slipway.schema.json`), or one of
`pulumi_slipway.settings`."""
Texts = Mapping[str, pulumi.Input[str]]

KNOWN_FIRST = {"image"}
"""What decides which release it is before anything can be said of it: a preview must know it, too."""


@dataclass(kw_only=True)
class ApplicationArgs:
    """One deployable application: what runs, how many and how it is reached.

    Each is the setting of that name (docs/start.md, Settings) with its default. Values that other resources have may be
    given as outputs: they are waited for, since a release is planned before its first resource is declared. In a
    preview a text that is not known yet makes the release a new one; the image, numbers and names must be known.
    """

    environment: "Environment | None" = None
    """Where it runs. Not given in `EnvironmentArgs.workloads`."""
    name: str | None = None
    """Its name in the cluster. Default: the name of the resource."""
    image: pulumi.Input[str] | None = None
    """By tag or digest. SLIPWAY_IMAGE wins; with neither, what is live is kept."""
    source: Block | None = None
    """Manifests, a kustomization or a chart that describe it."""
    worker: bool | None = None
    """Whether nobody calls it: it takes its work from a queue, and has no port."""
    overlap: bool | None = None
    """Whether pods of two releases may work at the same time; False is for a worker."""
    renamed_from: str | None = None
    """What it was called before, by its name in the cluster."""
    adopt: bool | None = None
    """Whether objects of its source that kubectl or Helm has made are taken over."""
    depends_on: Sequence[str] | None = None
    """Workloads of the same `EnvironmentArgs.workloads` that must be Healthy first. Elsewhere: `opts.depends_on`."""
    replicas: pulumi.Input[int] | None = None
    """Pods. Default 2."""
    port: pulumi.Input[int] | None = None
    """Default 3000."""
    resources: Block | None = None
    """`{"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {…}}`."""
    progress_deadline: int | str | None = None
    """Seconds, or `5m`. Default 300."""
    checks: Mapping[str, Block] | None = None
    """What a release must pass, by name (docs/checks.md)."""
    probe: Block | None = None
    liveness: Block | None = None
    pre_stop: int | str | None = None
    """Seconds. Default 5."""
    termination_grace: int | str | None = None
    """Seconds. Default 30."""
    service: Block | None = None
    ingress: Mapping[str, Any] | None = None
    """`{"host": …}`; values may be outputs."""
    autoscaler: Block | None = None
    network_policy: Block | None = None
    disruption_budget: bool | None = None
    env: Texts | None = None
    secret_env: Texts | None = None
    """Values are kept in a Secret, encrypted in the state."""
    command: Sequence[pulumi.Input[str]] | None = None
    args: Sequence[pulumi.Input[str]] | None = None
    writable_paths: Sequence[str] | None = None
    run_as_user: int | None = None
    labels: Texts | None = None
    annotations: Texts | None = None
    pod_annotations: Texts | None = None
    keep_releases: int | None = None
    """Records in the ledger. Default 10."""

    def chosen(self) -> object:
        """The strategy, as the settings have it; None for their default."""
        return None

    def block(self, known: Resolver) -> dict[str, Any]:
        """The settings, as a stack file would give them."""
        own = {it.name for it in fields(ApplicationArgs)} - {"environment", "name"}
        given = {name: getattr(self, name) for name in sorted(own) if getattr(self, name) is not None}
        block = {
            to_camel(name): known.value(it, name, standing_in=name not in KNOWN_FIRST) for name, it in given.items()
        }
        strategy = self.chosen()
        return block if strategy is None else {**block, "strategy": known.value(strategy, "strategy")}


def strategy_block(args: object, beyond: type) -> dict[str, Any]:
    """What a strategy's own arguments say, as a stack file would."""
    own = {it.name for it in fields(args)} - {it.name for it in fields(beyond)}  # type: ignore[arg-type]
    return {to_camel(name): it for name in sorted(own) if (it := getattr(args, name)) is not None}
