"""Settings of a workload: one deployable application."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core.core_schema import ValidationInfo

from pulumi_slipway.settings.checks import Check, CheckName, Prometheus
from pulumi_slipway.settings.mistakes import Mistakes
from pulumi_slipway.settings.network import Ingress, NetworkPolicy, Service
from pulumi_slipway.settings.pods import Autoscaler, Probe, Resources
from pulumi_slipway.settings.source import Source
from pulumi_slipway.settings.strategy import Strategy, named_or_whole
from pulumi_slipway.settings.types import (
    Annotations,
    Count,
    Directory,
    DnsLabel,
    Flag,
    ImageReference,
    Labels,
    Model,
    PlainText,
    Port,
    Seconds,
    SecretVariable,
    VariableName,
    duration,
    duration_text,
    unique,
    whole,
)

DEFAULT_CHECK = "error-rate"
"""Name of the check that a canary has by default."""


BESIDE_A_SOURCE = {
    "image",
    "source",
    "worker",
    "overlap",
    "renamed_from",
    "adopt",
    "depends_on",
    "replicas",
    "progress_deadline",
    "checks",
    "strategy",
    "pre_stop",
    "disruption_budget",
    "secret_env",
    "keep_releases",
}
"""Settings that go together with a source."""


class FromEnv(Model):
    """A secret that the run's environment carries: a masked GitLab variable."""

    from_env: SecretVariable
    """Name of the variable."""


def _secret(value: object) -> object:
    if isinstance(value, dict):
        return FromEnv.model_validate(value, by_name=False)
    if isinstance(value, str | SecretStr | FromEnv):
        return value
    raise ValueError("must be a string (encrypt it: pulumi config set --secret --path …) or {fromEnv: VARIABLE}")


SecretValue = Annotated[SecretStr | FromEnv, BeforeValidator(_secret)]
"""A secret as it is (encrypted in the stack file), or the job's variable that carries it; read when it is needed, since
a preview of a merge request does without protected variables."""


class Workload(Model):
    """One deployable application: what runs, how many, how it is reached and how a release of it goes."""

    image: ImageReference | None = None
    """Image to run, by tag or digest. SLIPWAY_IMAGE wins; with neither, what is live is kept. Default null."""
    source: Source | None = None
    """Where the workload's Kubernetes objects are written down: manifests, a kustomization or a Helm chart. Default
    null: they are made of these settings. With a source, what describes the pods stands there and not here."""
    worker: Flag = False
    """Whether nobody calls it: it takes its work from a queue, and has no port. Its releases are `rolling` or `canary`:
    blue and green would work at the same time. A headless Service without ports marks the pods that are live. Default
    false: a Deployment without a Service is a mistake."""
    overlap: Flag = True
    """Whether pods of two releases may work at the same time. false is for a worker that is `rolling`: the pods before
    are gone before new ones begin, forwards, back, and where a release fails, so that no message is handled by two
    versions at once. Nobody works in between. Default true."""
    renamed_from: DnsLabel | None = None
    """What it was called before: the first run under the new name takes its Services and records over, and what is left
    of the old name is deleted once users are served under the new one. Default null."""
    adopt: Flag = False
    """Whether objects of its source that kubectl or Helm has made are taken over, while they serve: a preview says what
    changes in each. Its pods are replaced once, one by one. Default false: what somebody else has made is refused."""
    depends_on: Annotated[tuple[DnsLabel, ...], AfterValidator(unique)] = ()
    """Workloads of this environment that must be Healthy in a run before this one is touched. Default: none."""
    replicas: Count = 2
    """Pods. Default 2: one may go without an outage. Not together with `autoscaler`. 0 stops the workload."""
    port: Port = 3000
    """Port that the container listens on. Default 3000 (the article's)."""
    resources: Resources = Field(default_factory=Resources)
    """Cores and memory of each pod."""
    progress_deadline: Annotated[Seconds, duration(1, 3600)] = 300
    """Time without progress after which a release has failed. Default 300s (the article's rollout timeout)."""
    checks: dict[CheckName, Check] = Field(default_factory=dict)
    """What a release must pass, by name; the strategy says when. Default: none; with `canary` an error rate."""
    strategy: Annotated[
        Strategy,
        BeforeValidator(named_or_whole, json_schema_input_type=Literal["rolling", "blueGreen", "canary"] | Strategy),
    ] = Field(default_factory=Strategy)
    """How a release replaces the one before it. Default `rolling`."""
    probe: Probe = Field(default_factory=Probe)
    """Readiness: a pod without a good answer gets no requests, and a release waits for it."""
    liveness: Probe | None = None
    """Liveness: a pod without a good answer is restarted. Default null: a slow pod is better than a restarted one."""
    pre_stop: Annotated[Seconds, duration(0, 3600)] = 5
    """Wait before a pod is told to stop, so that no request is sent to it any more. It must be longer than the cluster
    takes to tell its nodes: `kubeproxy_network_programming_duration_seconds` of kube-proxy says how long that is.
    Default 5s: on two busy cores 10 of 348 changes took more than 3 s, none more than 5."""
    termination_grace: Annotated[Seconds, duration(1, 3600)] = 30
    """Time for a pod to stop, `preStop` included, before it is killed. Default 30s (Kubernetes' own)."""
    service: Service = Field(default_factory=Service)
    """How others reach it in the cluster."""
    ingress: Ingress | None = None
    """How users reach it from outside. Default null."""
    autoscaler: Autoscaler | None = None
    """Scales in place of `replicas`. Default null."""
    network_policy: NetworkPolicy | None = None
    """Who may reach it. Default null: everybody in the cluster."""
    disruption_budget: Flag = True
    """Whether a drain of nodes takes one pod at a time. Default true; made only with more than one replica."""
    env: dict[VariableName, PlainText] = Field(default_factory=dict)
    """Environment variables. Default: none."""
    secret_env: dict[VariableName, SecretValue] = Field(default_factory=dict)
    """Environment variables that are secrets: encrypted in the stack file, or `{fromEnv: VARIABLE}` from the job's
    environment. Default: none."""
    command: Annotated[tuple[PlainText, ...], Field(min_length=1)] | None = None
    """The container's entry point. Default: the image's."""
    args: Annotated[tuple[PlainText, ...], Field(min_length=1)] | None = None
    """The entry point's arguments. Default: the image's."""
    writable_paths: Annotated[tuple[Directory, ...], AfterValidator(unique)] = ("/tmp",)  # noqa: S108
    """Directories that the container may write to, emptied with the pod. All else is read-only. Default /tmp."""
    run_as_user: Annotated[int, whole(1, 2**31 - 1)] | None = None
    """User id. Default: the image's, which must not be root."""
    labels: Labels = Field(default_factory=dict)
    """Labels for the workload's objects. Default: none."""
    annotations: Annotations = Field(default_factory=dict)
    """Annotations for the workload's objects. Default: none."""
    pod_annotations: Annotations = Field(default_factory=dict)
    """Annotations for its pods, as for Prometheus; a change is a release. Default: none."""
    keep_releases: Annotated[int, whole(2, 100)] = 10
    """Records in the ledger. Default 10; 2 are what a rollback needs, and 100 fit into a ConfigMap."""

    @field_validator("termination_grace")
    @classmethod
    def _grace_covers_pre_stop(cls, value: int, info: ValidationInfo) -> int:
        pre_stop = info.data.get("pre_stop")
        if pre_stop is not None and value <= pre_stop:
            raise ValueError(
                f"must be more than preStop ({duration_text(pre_stop)}), else a pod is killed while it waits"
            )
        return value

    @field_validator("secret_env")
    @classmethod
    def _named_once(cls, value: Mapping[str, SecretValue], info: ValidationInfo) -> Mapping[str, SecretValue]:
        mistakes = Mistakes()
        for name in sorted(set(value) & set(info.data.get("env", {}))):
            mistakes.add((name,), "is in env too; remove one of them")
        mistakes.check()
        return value

    @field_validator("strategy")
    @classmethod
    def _checks_are_there_and_used(cls, value: Strategy, info: ValidationInfo) -> Strategy:
        known, mistakes = info.data.get("checks"), Mistakes()
        if known is None:  # wrong itself
            return value
        chosen, lists = value.check_lists
        for key, names in lists.items():
            for index, name in enumerate(names or ()):
                if name not in known:
                    there = ", ".join(known) or "none"
                    mistakes.add((chosen, key, index), f"must name a check of the workload; there are {there}", name)
        mistakes.check()
        named = {name for names in lists.values() for name in names or ()}
        for name in known:
            if None not in lists.values() and name not in named:
                mistakes.add((chosen,), f"leaves out the check {name}: add it to {' or '.join(lists)}, or remove it")
        mistakes.check()
        return value

    @property
    def release_checks(self) -> Mapping[str, Check]:
        """The checks; a canary that has none, and isn't told to go without, has the article's error rate."""
        canary = self.strategy.canary
        if canary and not self.checks and canary.checks is None:
            return {DEFAULT_CHECK: Check(prometheus=Prometheus(preset="success-rate"))}
        return self.checks

    @model_validator(mode="after")
    def _said_in_one_place(self) -> Self:
        """What a source says is not said here too: which of the two counts would be a guess."""
        mistakes = Mistakes()
        if self.adopt and not self.source:
            mistakes.add(("adopt",), "is for a source: only what is written down can be compared with what is there")
        if self.source:
            for name in sorted(self.model_fields_set - BESIDE_A_SOURCE):
                mistakes.add((to_camel(name),), "belongs to the source: remove it here, and write it down there")
        mistakes.check()
        return self

    @model_validator(mode="after")
    def _nobody_calls_a_worker(self) -> Self:
        mistakes = Mistakes()
        if self.worker:
            if self.strategy.blue_green:
                mistakes.add(("strategy",), "must be rolling or canary: blue and green of a worker would both work")
            if not self.overlap and self.strategy.canary:
                mistakes.add(("strategy",), "must be rolling with `overlap: false`: a canary works beside the others")
            for name in sorted({"port", "service", "ingress", "probe", "liveness"} & self.model_fields_set):
                mistakes.add((to_camel(name),), "is for what is called over the network: remove it, or `worker`")
            for name, check in self.checks.items():
                if check.http:
                    mistakes.add(("checks", name, "http"), "has nothing to ask: a worker has no port")
        elif not self.overlap:
            mistakes.add(("overlap",), "is for a `worker`: users of what is called would wait in between")
        mistakes.check()
        return self

    @model_validator(mode="after")
    def _replicas_or_autoscaler(self) -> Self:
        if self.autoscaler and "replicas" in self.model_fields_set:
            mistakes = Mistakes()
            mistakes.add(("replicas",), "must not be given together with autoscaler; remove one of them", self.replicas)
            raise mistakes
        return self
