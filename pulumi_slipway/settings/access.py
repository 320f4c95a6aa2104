"""Settings of the access stack: who may deploy where, and what GitLab is told."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from pulumi_slipway.settings.mistakes import Mistakes
from pulumi_slipway.settings.types import (
    Certificates,
    Cpu,
    DnsLabel,
    DnsName,
    Flag,
    GitLabScope,
    MaskableSecret,
    Memory,
    Model,
    Positive,
    RefName,
    RegistryServer,
    Rule,
    Seconds,
    Secret,
    Server,
    VariableName,
    duration,
    duration_text,
    text,
    unique,
)

HOUR, DAY = 3600, 86400

OUR_VARIABLES = ("KUBE_", "KUBECONFIG")
"""Beginnings of the names of the variables that Slipway itself puts into GitLab."""


PROJECT = r"[^\s?#:/]+(/[^\s?#:/]+)*"


def _project(value: object) -> str:
    written = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(written, str) and re.fullmatch(PROJECT, written):
        return written
    raise ValueError('must be a project\'s path like "group/app", or its number')


def _user_variable(name: str) -> str:
    if name.startswith(OUR_VARIABLES):
        raise ValueError("is a variable that Slipway sets itself; take another name")
    return name


Task = Literal["drift", "settle", "sweep", "rotate"]
Cron = Annotated[str, text(r"\S+( \S+){4}", 'must be cron in five fields, like "0 5 * * *" (every day at five)')]


class GitLab(Model):
    """The project that deploys. The API's address and token come from GITLAB_BASE_URL and GITLAB_TOKEN."""

    project: Annotated[str, Rule(_project, {"type": ["string", "integer"], "pattern": f"^{PROJECT}$"})]
    """Path (`group/app`) or number of the project."""
    protected_tags: Annotated[tuple[RefName, ...], AfterValidator(unique)] = ()
    """Tags (or patterns like `v*`) that maintainers alone may make; only jobs on protected branches and tags see
    protected variables. Default: none."""
    schedules: dict[Task, Cron] = Field(default_factory=dict)
    """Pipeline schedules on the default branch: the task (drift, settle, sweep, rotate) and when, as cron in UTC, like
    {drift: "0 5 * * *"}. GitLab runs a schedule as the owner of GITLAB_TOKEN. Default: none."""
    protected_environments: Flag = False
    """Whether to protect the environments too. Needs GitLab Premium, hence off; protected branches are free."""


class Token(Model):
    """The deploy token: asked for by the TokenRequest API, bound to a Secret, renewed by a run of the access stack."""

    expiration: Annotated[Seconds, duration(HOUR, 8760 * HOUR)] = 90 * DAY
    """How long a token is good for, 1h to 8760h (the article's value and Kubernetes' documented ceiling). Default 90d:
    the article prefers shorter ones."""
    renew_before: Annotated[Seconds, duration(1, 8760 * HOUR)] = 30 * DAY
    """Renew when less than this is left; less than `expiration`. Default 30d: a monthly run is enough."""

    @field_validator("renew_before")
    @classmethod
    def _leaves_time(cls, value: int, info: ValidationInfo) -> int:
        expiration = info.data.get("expiration")
        if expiration is not None and value >= expiration:
            raise ValueError(
                f"must be less than expiration ({duration_text(expiration)}), else each run renews the token"
            )
        return value


class Registry(Model):
    """Login for pulling images: becomes the pull secret `gitlab-registry` in each namespace."""

    server: RegistryServer
    """Host of the registry, as images name it."""
    username: Annotated[str, text(r"\S+", "must be a user name without a blank")]
    """The user; a GitLab deploy token with `read_registry` is made for it."""
    password: Secret
    """Its password or token: `pulumi config set --secret --path slipway:access.registry.password`."""
    email: Annotated[str, text(r"[^\s@]+@[^\s@]+", "must be a mail address")] | None = None
    """Some registries ask for one. Default: none."""


def _no_secrets(kind: str) -> str:
    """What is named is readable for previews, too, which every branch may make."""
    if kind == "secrets":
        raise ValueError("must not be named: the deploy account has it already, and previews would read secrets")
    return kind


class Quota(Model):
    """What all pods of a namespace may take together (ResourceQuota, limits)."""

    cpu: Cpu = "4"
    """Cores over all pods' limits. Default 4: eight pods of the article's 500m."""
    memory: Memory = "8Gi"
    """Memory over all pods' limits. Default 8Gi: sixteen pods of the article's 512Mi."""
    pods: Positive = 50
    """Pods at most. Default 50."""


KindName = Annotated[
    str,
    text(r"[a-z]+([.][a-z0-9]([-a-z0-9.]*[a-z0-9])?)?", 'must be a kind as kubectl names it, like "jobs.batch"'),
    AfterValidator(_no_secrets),
]


HostPattern = Annotated[
    str,
    text(
        r"([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        'must be a host like "app.example.com", or "*.review.example.com" for all below it',
    ),
]


class Allow(Model):
    """What the deploy account may put into its namespace that reaches beyond it; an admission policy refuses the rest.

    Each is a way to take another environment's traffic or its place on the nodes.
    """

    service_types: Annotated[
        tuple[Literal["NodePort", "LoadBalancer", "ExternalName"], ...], AfterValidator(unique)
    ] = ()
    """Types of Services besides ClusterIP. Default: none."""
    external_ips: Flag = Field(default=False, alias="externalIPs")
    """Whether Services may claim addresses (`externalIPs`). Default false."""
    host_ports: Flag = False
    """Whether pods may listen on ports of their node. Default false."""
    priority_classes: Annotated[tuple[DnsName, ...], AfterValidator(unique)] = ()
    """Priority classes that pods may have. Default: none, so that no pod evicts another's."""


class AccessEnvironment(Model):
    """One environment: its namespace, accounts and tokens in the cluster, its variables in GitLab."""

    namespace: DnsLabel = Field(default_factory=str, validate_default=False)
    """Namespace in the cluster. Default: the environment's key."""
    scope: GitLabScope = Field(default_factory=str, validate_default=False)
    """GitLab environment scope of the variables, say `review/*`. Environments of one scope share one KUBECONFIG_FILE
    with a context each, and have no KUBE_TOKEN. Default: the environment's key."""
    branches: Annotated[tuple[RefName, ...], AfterValidator(unique)] = ()
    """Branches that deploy here; they become protected. Default: none. The article: develop to staging, main to
    production."""
    tier: Literal["production", "staging", "testing", "development", "other"] | None = None
    """GitLab's deployment tier. Default: GitLab derives it from the name."""
    url: Annotated[str, text(r"https?://\S+", "must be an http:// or https:// URL")] | None = None
    """Where users reach the environment; a link in GitLab. Default: none."""
    quota: Quota = Field(default_factory=Quota)
    """What its pods may take together."""
    pod_security: Literal["restricted", "baseline", "privileged"] = "restricted"
    """Pod Security Standard that the namespace enforces. Default `restricted`: the workloads' defaults meet it."""
    kinds: Annotated[tuple[KindName, ...], AfterValidator(unique)] = ()
    """Further kinds that the sources of its workloads bring, as kubectl names them: "statefulsets.apps",
    "widgets.example.com". The deploy account may do with them what it may do with Deployments. Default: none."""
    allow: Allow = Field(default_factory=Allow)
    """What its workloads may have that reaches beyond its namespace. Default: nothing."""
    hosts: Annotated[tuple[HostPattern, ...], AfterValidator(unique)] | None = None
    """Hosts that its Ingresses and routes may have; `*.review.example.com` for all below it. Default null: any where
    `protected`, else none: a branch could take production's."""
    promote_from: DnsLabel | None = None
    """Environment of this stack whose ledgers (ConfigMaps) its accounts may read, so that it promotes from there.
    Default null."""
    promote_workloads: Annotated[tuple[DnsLabel, ...], AfterValidator(unique)] = ()
    """The workloads that it promotes: its accounts then read no other ConfigMap there, and believe no record that is of
    no Deployment. Default: none named, which is every ConfigMap."""
    preview: Flag = True
    """Whether there is a read-only account whose token merge requests may preview with. Default true."""
    protected: Flag = True
    """Whether only jobs on protected branches and tags get what may write to the environment. Review environments need
    false: every branch deploys to them, so whoever may push a branch holds their token. Refused for the tiers
    `production` and `staging`. Default true."""
    variables: dict[Annotated[VariableName, AfterValidator(_user_variable)], MaskableSecret] = Field(
        default_factory=dict
    )
    """Values to put into GitLab, masked, protected (unless `protected` is false) and scoped to this environment: the
    article's database URLs and API keys. Needs `gitlab`."""


class Access(Model):
    """What an administrator sets up, rarely: identities, rights and secrets, for each environment."""

    gitlab: GitLab | None = None
    """The GitLab project. Default null: GitLab is left alone."""
    server: Server | None = None
    """The API server's URL as jobs reach it. Default: that of the kubeconfig in use."""
    ca_pem: Certificates | None = None
    """The API server's CA certificates as PEM. Default: that of the kubeconfig in use. Verification is never off."""
    scope: Literal["namespace", "cluster"] = "namespace"
    """`namespace`: a role in each namespace. `cluster`: the article's ClusterRole: the token of one environment then
    opens all of them."""
    token: Token = Field(default_factory=Token)
    """The deploy token's life."""
    registry: Registry | None = None
    """Login for pulling images. Default null: no pull secret."""
    environments: Annotated[dict[DnsLabel, AccessEnvironment], Field(min_length=1)]
    """The environments by name."""
    remove: tuple[DnsLabel, ...] = ()
    """Namespaces of environments that were taken out of `environments`, to be deleted with all that runs there. One
    that is missing there and not named here stops the run. Default: none."""
    allow_destroy: Flag = False
    """Whether `pulumi destroy` may delete the namespaces, with all that runs there. False: it stops before the first
    object, until an `up` with true. Default false."""

    @field_validator("environments", mode="after")
    @classmethod
    def _named(cls, value: dict[str, AccessEnvironment]) -> dict[str, AccessEnvironment]:
        return {
            key: e.model_copy(update={"namespace": e.namespace or key, "scope": e.scope or key})
            for key, e in value.items()
        }

    @model_validator(mode="after")
    def _apart(self) -> Self:
        mistakes = Mistakes()
        for key, environment in self.environments.items():
            source = environment.promote_from
            if source is not None and (source == key or source not in self.environments):
                there = ", ".join(name for name in self.environments if name != key) or "none"
                remedy = f"must name another environment of this stack; there are {there}"
                mistakes.add(("environments", key, "promoteFrom"), remedy, source)
            if source is None and environment.promote_workloads:
                remedy = "says which ledgers promoteFrom reads, and there is none: add promoteFrom"
                mistakes.add(("environments", key, "promoteWorkloads"), remedy, environment.promote_workloads[0])
        namespaces: dict[str, str] = {}
        variables: dict[tuple[str, str], str] = {}
        for key, environment in sorted(self.environments.items()):  # the engine keeps no order
            other = namespaces.setdefault(environment.namespace, key)
            if other != key:
                remedy = f"is that of environment {other} too; each needs one of its own"
                mistakes.add(("environments", key, "namespace"), remedy, environment.namespace)
            # Environments may share a scope: a context each in one KUBECONFIG_FILE. GitLab keeps one value of a name.
            for name in environment.variables:
                other = variables.setdefault((environment.scope, name), key)
                if other != key:
                    remedy = (
                        f"environment {other} has it too, in the same scope; rename it, or give each a scope of its own"
                    )
                    mistakes.add(("environments", key, "variables", name), remedy)
            if not environment.protected and environment.tier in ("production", "staging"):
                remedy = f"must be true where tier is {environment.tier}; false is for review environments"
                mistakes.add(("environments", key, "protected"), remedy, environment.protected)
            if environment.variables and self.gitlab is None:
                mistakes.add(("environments", key, "variables"), "needs `gitlab: {project: …}` to put them into")
        mistakes.check()
        return self
